#include "runtime/score/truth.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "runtime/base/limits.hpp"

namespace signalbox::score {
namespace {

using nlohmann::json;

constexpr std::size_t most_incidents = 1'000'000;
constexpr int deepest = 16;
struct TooDeep {};
constexpr const char* forms =
    "write {\"incidents\": [{\"kind\": \"outage\", \"labels\": {…}, \"from\": \"2026-01-01T02:38:25Z\", "
    "\"to\": …}]}, as `signalbox generate --truth` does";

Error malformed(std::string message, std::string hint = forms) {
  return {ErrorCode::malformed, std::move(message), std::move(hint)};
}

Result<Instant> instant_of(const json& value, bool of_benchmark, const std::string& where) {
  if (!value.is_string())
    return malformed(where + " is not a text", "write an instant, as \"2026-01-01T02:38:25Z\"");
  std::string text = value.get<std::string>();
  if (of_benchmark) {
    if (const std::size_t space = text.find(' '); space != std::string::npos) text[space] = 'T';
    text += "Z";
  }
  const Result<Instant> instant = parse_instant(text);
  if (instant) return *instant;
  return malformed(fmt::format("{}: {}", where, instant.error().message), instant.error().hint);
}

std::optional<bool> wanted_kind(const std::string& kind) {
  for (const char* wanted : {"outage", "slow_burn", "flapping"})
    if (kind == wanted) return true;
  for (const char* other : {"deploy", "scrape_gap", "night", "growth"})
    if (kind == other) return false;
  return std::nullopt;
}

Result<Incident> incident_of(const json& object, const std::string& where) {
  if (!object.is_object()) return malformed(where + " is not an object");
  Incident out;
  const auto field = [&](const char* name) -> const json* {
    const auto at = object.find(name);
    return at == object.end() || at->is_null() ? nullptr : &*at;
  };
  if (const json* kind = field("kind")) {
    if (!kind->is_string()) return malformed(where + ": `kind` is not a text");
    out.kind = kind->get<std::string>();
  }
  if (const json* wanted = field("wanted")) {
    if (!wanted->is_boolean()) return malformed(where + ": `wanted` is neither true nor false");
    out.wanted = wanted->get<bool>();
  } else if (const auto known = wanted_kind(out.kind)) {
    out.wanted = *known;
  } else {
    return malformed(out.kind.empty()
                         ? where + " has no `kind`, and whether it is there to be found is not said"
                         : fmt::format("{}: whether `{}` is there to be found is not known", where, out.kind),
                     "add \"wanted\": true, or false");
  }
  if (const json* labels = field("labels")) {
    if (!labels->is_object()) return malformed(where + ": `labels` is not an object");
    std::vector<Labels::Pair> pairs;
    for (const auto& [name, value] : labels->items()) {
      if (!value.is_string()) return malformed(fmt::format("{}: label `{}` is not a text", where, name));
      pairs.emplace_back(name, value.get<std::string>());
    }
    out.labels = Labels(std::move(pairs));
  }
  const json* const from = field("from");
  if (from == nullptr) return malformed(where + " has no `from`");
  const Result<Instant> begin = instant_of(*from, false, where + ": `from`");
  if (!begin) return begin.error();
  out.from = *begin;
  if (const json* to = field("to")) {
    const Result<Instant> end = instant_of(*to, false, where + ": `to`");
    if (!end) return end.error();
    if (*end < out.from) return malformed(where + " ends before it begins", "");
    out.to = *end;
  }
  return out;
}

Error too_many() {
  return {ErrorCode::limit_exceeded, fmt::format("more than {} incidents", most_incidents),
          "leave out those that the replay does not reach"};
}

Result<std::vector<Incident>> ours(const json& list) {
  if (!list.is_array()) return malformed("`incidents` is not a list");
  if (list.size() > most_incidents) return too_many();
  std::vector<Incident> out;
  for (const json& object : list) {
    Result<Incident> incident = incident_of(object, fmt::format("incident {}", out.size() + 1));
    if (!incident) return incident.error();
    out.push_back(std::move(*incident));
  }
  return out;
}

Result<std::vector<Incident>> of_benchmark(const json& files) {
  std::vector<Incident> out;
  for (const auto& [file, windows] : files.items()) {
    std::string series = file;
    const std::size_t slash = series.rfind('/');
    if (slash != std::string::npos && slash > 0)
      if (const std::size_t before = series.rfind('/', slash - 1); before != std::string::npos)
        series.erase(0, before + 1);
    if (const std::size_t dot = series.rfind('.'); dot != std::string::npos && dot > series.rfind('/') + 1)
      series.erase(dot);
    for (std::size_t i = 0; i < windows.size(); ++i) {
      const std::string where = fmt::format("{}: window {}", file, i + 1);
      const json& window = windows[i];
      if (!window.is_array() || window.size() != 2)
        return malformed(where + " is not [start, end]", "write two times, as \"2014-03-14 03:31:00\"");
      const Result<Instant> from = instant_of(window[0], true, where),
                            to = instant_of(window[1], true, where);
      if (!from || !to) return (from ? to : from).error();
      if (*to < *from) return malformed(where + " ends before it begins", "");
      if (out.size() >= most_incidents) return too_many();
      out.push_back({"anomaly", Labels().with("series", series), *from, *to, true});
    }
  }
  return out;
}

}  // namespace

Result<std::vector<Incident>> read_truth(std::string_view text) {
  if (text.size() > Limits{}.truth_bytes)
    return Error{ErrorCode::limit_exceeded, fmt::format("more than {} bytes", Limits{}.truth_bytes)};
  json document;
  try {
    // A tree of nothing but brackets would take far more memory than its text.
    document = json::parse(text, [](int depth, json::parse_event_t, json&) {
      if (depth > deepest) throw TooDeep{};
      return true;
    });
  } catch (const TooDeep&) {
    return malformed(fmt::format("brackets stand more than {} deep", deepest));
  } catch (const json::parse_error& fault) {
    const std::size_t at = std::min<std::size_t>(fault.byte > 0 ? fault.byte - 1 : 0, text.size());
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n');
    return malformed(fmt::format("line {}: this is not JSON", line));
  } catch (const json::exception&) {  // a number beyond a double
    return malformed("this is not JSON");
  }
  if (!document.is_object()) return malformed("this is not an object of incidents");
  if (const auto list = document.find("incidents"); list != document.end()) return ours(*list);
  if (!document.empty() &&
      std::all_of(document.begin(), document.end(), [](const json& v) { return v.is_array(); }))
    return of_benchmark(document);
  return malformed("there is no list `incidents` in it");
}

}  // namespace signalbox::score
