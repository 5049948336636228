#include "cli/output.hpp"

#include <fmt/format.h>

namespace signalbox::cli {

nlohmann::ordered_json labels_json(const Labels& labels) {
  auto out = nlohmann::ordered_json::object();
  for (const auto& [name, value] : labels.pairs()) out[name] = value;
  return out;
}

nlohmann::ordered_json event_json(const decide::Event& e) {
  return {{"time", to_rfc3339(e.time)},
          {"kind", e.kind},
          {"declaration", e.declaration},
          {"labels", labels_json(e.labels)},
          {"severity", e.severity},
          {"id", e.id},
          {"why", e.why}};
}

std::string event_text(const decide::Event& e) {
  const std::string labels = e.labels.empty() ? "" : to_string(e.labels);
  return fmt::format("{}  {:<10}  {}{}{}  {}", to_rfc3339(e.time), e.kind, e.declaration, labels,
                     e.id.empty() ? "" : fmt::format("  [{}]", e.id), e.why);
}

void say(const Error& error) {
  tell("signalbox: {}\n", error.message);
  if (!error.hint.empty()) tell("      help: {}\n", error.hint);
}

std::string dump(const nlohmann::ordered_json& json, int indent) {
  return json.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace signalbox::cli
