// How events look on the command line: one JSON object a line for programs, a sentence for people.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "runtime/decide/decide.hpp"

namespace signalbox::cli {

nlohmann::ordered_json labels_json(const Labels& labels);
// time, kind, declaration, labels, severity, id, why. `time` is the evaluated instant.
nlohmann::ordered_json event_json(const decide::Event& event);
std::string event_text(const decide::Event& event);
// To people, on standard error. That nobody can be told changes no answer.
template <class... Args>
void tell(fmt::format_string<Args...> text, Args&&... args) {
  const std::string said = fmt::format(text, std::forward<Args>(args)...);
  (void)!std::fwrite(said.data(), 1, said.size(), stderr);
}
// The same of what is wrong, and of what helps.
void say(const Error& error);
std::string dump(const nlohmann::ordered_json& json, int indent = -1);

}  // namespace signalbox::cli
