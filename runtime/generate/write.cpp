#include "runtime/generate/write.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstring>
#include <string>
#include <vector>

#include "runtime/base/rational.hpp"
#include "runtime/generate/incidents.hpp"
#include "runtime/generate/trace.hpp"

namespace signalbox::generate {
namespace {

constexpr std::size_t block = 1u << 20;
// Of a reading or a time: 19 digits, a point, a sign.
constexpr std::size_t number_bytes = 24;

char* put_whole(char* at, std::int64_t value) {
  return std::to_chars(at, at + number_bytes, value).ptr;
}

// Without zeros at the end of the fraction. Not negative.
char* put_thousandths(char* at, std::int64_t value) {
  at = put_whole(at, value / 1000);
  const auto rest = static_cast<int>(value % 1000);
  if (rest == 0) return at;
  const char digits[] = {'.', static_cast<char>('0' + rest / 100), static_cast<char>('0' + rest / 10 % 10),
                         static_cast<char>('0' + rest % 10)};
  std::size_t used = 4;
  while (digits[used - 1] == '0') --used;
  std::memcpy(at, digits, used);
  return at + used;
}

// What stands before the readings of a service, line by line: it is made once.
struct Lines {
  std::string text;
  std::vector<std::uint32_t> ends;
};

Lines lines_of(const std::vector<Series>& series) {
  Lines out;
  for (const Series& one : series) {
    out.text += to_string(one.labels);
    out.text += ' ';
    out.ends.push_back(static_cast<std::uint32_t>(out.text.size()));
  }
  return out;
}

// Hands over what has gathered when a block is full, and whatever is left when asked.
class Blocks {
 public:
  explicit Blocks(const Out& out) : out_(out) {}
  // Room for `bytes` at the place that is answered; null after an error.
  char* room(std::size_t bytes) {
    if (used_ + bytes > buffer_.size()) {
      if (!flush()) return nullptr;
      if (bytes > buffer_.size()) buffer_.resize(bytes);
    }
    return buffer_.data() + used_;
  }
  void used_up_to(const char* end) { used_ = static_cast<std::size_t>(end - buffer_.data()); }
  bool put(std::string_view text) {
    char* const at = room(text.size());
    if (at == nullptr) return false;
    std::memcpy(at, text.data(), text.size());
    used_ += text.size();
    return true;
  }
  Result<void> finish() {
    static_cast<void>(flush());
    return result_;
  }

 private:
  bool flush() {
    if (result_ && used_ > 0) result_ = out_({buffer_.data(), used_});
    used_ = 0;
    return static_cast<bool>(result_);
  }

  const Out& out_;
  std::vector<char> buffer_ = std::vector<char>(block);
  std::size_t used_ = 0;
  Result<void> result_;
};

std::string details(const Incident& incident) {
  const auto number = [](double value) { return shortest(value); };
  switch (incident.kind) {
    case IncidentKind::outage:
    case IncidentKind::slow_burn:
      return fmt::format("\"error_ratio\": {}", number(incident.magnitude));
    case IncidentKind::flapping:
      return fmt::format("\"error_ratio\": {}, \"phase_seconds\": {}", number(incident.magnitude),
                         number(incident.phase.seconds()));
    case IncidentKind::deploy:
      return "\"counters\": \"reset\"";
    case IncidentKind::scrape_gap:
      return fmt::format("\"scrapes\": \"{}\"", incident.answered ? "failed" : "absent");
    case IncidentKind::night:
    case IncidentKind::growth:
      break;
  }
  return fmt::format("\"traffic\": {}", number(incident.magnitude));
}

}  // namespace

Result<void> write_trace(const TraceSpec& spec, const Out& out) {
  Blocks blocks(out);
  for (const Family& family : families_of(spec.metrics))
    blocks.put(fmt::format("# TYPE {} {}\n", family.name, family.type));
  std::vector<bool> thousandths;
  std::vector<Lines> lines;
  lines.reserve(spec.services);
  for (std::uint32_t i = 0; i < spec.services; ++i) {
    const std::vector<Series> series = series_of(spec, i);
    lines.push_back(lines_of(series));
    if (i > 0) continue;
    for (const Series& one : series) thousandths.push_back(one.thousandths);
  }
  Trace trace(spec);
  while (const Scrape* scrape = trace.next()) {
    const Lines& own = lines[scrape->service];
    char* at = blocks.room(own.text.size() + scrape->readings.size() * (2 * number_bytes + 2));
    if (at == nullptr) break;
    char time[number_bytes + 2] = {' '};
    char* time_end = put_thousandths(time + 1, scrape->time.ms);
    *time_end++ = '\n';
    const auto time_bytes = static_cast<std::size_t>(time_end - time);
    std::size_t begin = 0;
    for (std::size_t i = 0; i < scrape->readings.size(); ++i) {
      const std::size_t bytes = own.ends[i] - begin;
      std::memcpy(at, own.text.data() + begin, bytes);
      begin = own.ends[i];
      at = thousandths[i] ? put_thousandths(at + bytes, scrape->readings[i])
                          : put_whole(at + bytes, scrape->readings[i]);
      std::memcpy(at, time, time_bytes);
      at += time_bytes;
    }
    blocks.used_up_to(at);
  }
  blocks.put("# EOF\n");
  return blocks.finish();
}

Result<void> write_truth(const TraceSpec& spec, const Out& out) {
  Blocks blocks(out);
  blocks.put(fmt::format("{{\n  \"seed\": {},\n  \"from\": \"{}\",\n  \"to\": \"{}\",\n", spec.seed,
                         to_rfc3339(spec.start), to_rfc3339(spec.start + spec.duration)));
  blocks.put(
      fmt::format("  \"every_seconds\": {},\n  \"services\": {},\n  \"rate\": {},\n  \"error_ratio\": {},\n",
                  shortest(spec.every.seconds()), spec.services, shortest(spec.rate), shortest(spec.errors)));
  blocks.put("  \"incidents\": [");
  const Slots slots = slots_of(spec);
  bool first = true;
  for (std::uint32_t service = 0; service < spec.services; ++service)
    for (std::int64_t slot = 0; slot < slots.count; ++slot) {
      const auto incident = incident_in(spec, slots, service, slot);
      if (!incident) continue;
      const std::string line = fmt::format(
          "{}\n    {{\"kind\": \"{}\", \"labels\": {{\"service\": \"{}\"}}, \"from\": \"{}\", \"to\": "
          "\"{}\", {}}}",
          first ? "" : ",", name_of(incident->kind), service_name(service), to_rfc3339(incident->from),
          to_rfc3339(incident->to), details(*incident));
      first = false;
      if (!blocks.put(line)) return blocks.finish();
    }
  blocks.put(first ? "]\n}\n" : "\n  ]\n}\n");
  return blocks.finish();
}

}  // namespace signalbox::generate
