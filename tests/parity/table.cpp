#include "tests/parity/table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <tuple>
#include <vector>

namespace signalbox::parity {
namespace {

constexpr std::string_view from_mark = "<!-- written by ./dev parity --write-table: -->\n";
constexpr std::string_view to_mark = "<!-- until here -->\n";

using Cell = std::tuple<std::uint64_t, std::size_t, std::size_t>;
std::vector<Cell> weakest(const Tally& tally) {
  std::vector<Cell> out;
  for (std::size_t f = 0; f < feature_count; ++f)
    for (std::size_t h = 0; h < hazard_count; ++h)
      if (not_applicable(static_cast<Feature>(f), static_cast<Hazard>(h)).empty())
        out.emplace_back(tally.cells[f][h], f, h);
  std::sort(out.begin(), out.end());
  return out;
}

std::string table(const Tally& tally) {
  std::string out = "| |";
  for (const HazardText& hazard : hazards) out += fmt::format(" {} |", hazard.name);
  out += "\n|---|";
  for (std::size_t h = 0; h < hazard_count; ++h) out += "---:|";
  out += "\n";
  std::map<std::string_view, int> reasons;
  for (std::size_t f = 0; f < feature_count; ++f) {
    out += fmt::format("| `{}` |", features[f]);
    for (std::size_t h = 0; h < hazard_count; ++h) {
      const std::string_view reason = not_applicable(static_cast<Feature>(f), static_cast<Hazard>(h));
      if (reason.empty()) {
        out += fmt::format(" {} |", tally.cells[f][h]);
        continue;
      }
      const int number = reasons.try_emplace(reason, static_cast<int>(reasons.size()) + 1).first->second;
      out += fmt::format(" n/a {} |", number);
    }
    out += "\n";
  }
  out += "\n";
  std::map<int, std::string_view> by_number;
  for (const auto& [reason, number] : reasons) by_number[number] = reason;
  for (const auto& [number, reason] : by_number) out += fmt::format("n/a {}: {}.\n", number, reason);
  out += "\n| hazard | a window has it when there is |\n|---|---|\n";
  for (const HazardText& hazard : hazards) out += fmt::format("| {} | {} |\n", hazard.name, hazard.when);
  return out;
}

}  // namespace

std::string summary(std::uint64_t seed, const Tally& t) {
  std::string out = fmt::format(
      "seed {}: {} expressions, {} points and absences compared, {} cases counted\n"
      "{} of them the same bits, {} within the tolerance of sums ({} of those without a bound)\n"
      "{} expressions refused by Prometheus for rows that meet more than once; {} mismatches\n",
      seed, t.expressions, t.compared, t.counted, t.exact, t.close, t.unbounded, t.refused_ambiguous,
      t.mismatches);
  const std::vector<Cell> cells = weakest(t);
  out += "weakest cells:";
  for (std::size_t i = 0; i < 8; ++i) {
    const auto& [count, f, h] = cells[i];
    out += fmt::format("{} {} x {}: {}", i == 0 ? "" : ",", features[f], hazards[h].name, count);
  }
  return out + "\n";
}

bool write_table(const std::string& file, std::uint64_t seed, const Tally& tally, std::string& error) {
  std::ifstream in(file);
  std::string text((std::istreambuf_iterator<char>(in)), {});
  const std::size_t from = text.find(from_mark), to = text.find(to_mark);
  if (from == std::string::npos || to == std::string::npos || to < from) {
    error = file + " has no place for the table";
    return false;
  }
  const std::size_t begin = from + from_mark.size();
  text.replace(begin, to - begin, fmt::format("\n```\n{}```\n\n{}\n", summary(seed, tally), table(tally)));
  std::ofstream(file) << text;
  const auto [count, f, h] = weakest(tally).front();
  if (count >= least_of_a_cell) return true;
  error = fmt::format("{} x {} has {} cases, and {} are wanted", features[f], hazards[h].name, count,
                      least_of_a_cell);
  return false;
}

}  // namespace signalbox::parity
