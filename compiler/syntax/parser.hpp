// Text to AST. The parser of the language is generated from grammar/; nothing of it is seen outside this
// room.
#pragma once

#include <optional>
#include <vector>

#include "compiler/source/diagnostic.hpp"
#include "compiler/syntax/ast.hpp"
#include "runtime/base/limits.hpp"

namespace signalbox::syntax {

// Parses sources[file]. Faults go to `diagnostics`, each once and with a place; what could be read is
// returned all the same, so that later passes may be skipped but names are known. Bounded: source_bytes,
// nesting.
File parse_file(const source::SourceSet& sources, std::uint32_t file, const Limits& limits,
                source::Diagnostics& diagnostics);

// One condition or value and nothing else; null when it could not be read.
ExprPtr parse_query(const source::SourceSet& sources, std::uint32_t file, const Limits& limits,
                    source::Diagnostics& diagnostics);

// Whether exact ambiguity detection finds two readings of any part of the text; for tests of the grammar.
bool has_ambiguity(const source::SourceSet& sources, std::uint32_t file);

// The text in its one form: two spaces, one clause a line, comments kept. Nothing when it does not parse.
std::optional<std::string> format_text(const source::SourceSet& sources, std::uint32_t file,
                                       const Limits& limits, source::Diagnostics& diagnostics);

}  // namespace signalbox::syntax
