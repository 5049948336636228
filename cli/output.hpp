// How events look on the command line: one JSON object a line for programs, a sentence for people.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "runtime/decide/decide.hpp"

namespace signalbox::cli {

nlohmann::ordered_json labels_json(const Labels& labels);
// time, kind, declaration, labels, severity, id, why. `time` is the evaluated instant.
nlohmann::ordered_json event_json(const decide::Event& event);
std::string event_text(const decide::Event& event);
// To people, on standard error: what is wrong, and what helps.
void say(const Error& error);
std::string dump(const nlohmann::ordered_json& json, int indent = -1);

}  // namespace signalbox::cli
