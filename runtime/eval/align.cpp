#include "runtime/eval/align.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace signalbox::eval {
namespace {

using plan::Join;
using plan::Matching;

Labels match_key(const Matching& matching, const Labels& labels) {
  if (matching.join == Join::on) return labels.keep(matching.labels);
  if (matching.join == Join::ignoring) return labels.drop(matching.labels);
  return labels.without_name();
}

// The families that meet, and which of them each input is.
struct Sides {
  std::vector<const std::vector<Labels>*> rows;
  std::vector<std::size_t> of_input;
  static constexpr std::size_t everywhere = static_cast<std::size_t>(-1);
};

Sides find_sides(const Matching& matching, const std::vector<JoinInput>& inputs) {
  Sides sides;
  const bool labelled =
      std::any_of(inputs.begin(), inputs.end(), [](const JoinInput& in) { return !in.scalar && !in.bare; });
  for (const JoinInput& in : inputs) {
    if (in.scalar || (in.bare && matching.join == Join::unite && labelled)) {
      sides.of_input.push_back(Sides::everywhere);
      continue;
    }
    std::size_t side = sides.rows.size();
    if (matching.group == Matching::Group::one_to_one) {
      side = 0;
      while (side < sides.rows.size() && sides.rows[side] != in.rows.get() && *sides.rows[side] != *in.rows)
        ++side;
    }
    if (side == sides.rows.size()) sides.rows.push_back(in.rows.get());
    sides.of_input.push_back(side);
  }
  return sides;
}

struct Joined {
  std::vector<Labels> rows;
  std::vector<std::vector<std::uint32_t>> picks;  // by side
  std::vector<bool> ambiguous;

  std::uint32_t add(Labels labels) {
    rows.push_back(std::move(labels));
    for (auto& pick : picks) pick.push_back(Alignment::absent);
    ambiguous.push_back(false);
    return static_cast<std::uint32_t>(rows.size() - 1);
  }
};

Joined one_to_one(const Matching& matching, const Sides& sides) {
  Joined all;
  all.picks.resize(sides.rows.size());
  std::unordered_map<Labels, std::uint32_t, LabelsHash> by_key;
  for (std::size_t side = 0; side < sides.rows.size(); ++side) {
    const std::vector<Labels>& rows = *sides.rows[side];
    for (std::uint32_t row = 0; row < rows.size(); ++row) {
      Labels key = match_key(matching, rows[row]);
      const auto [entry, fresh] = by_key.try_emplace(std::move(key), 0);
      if (fresh) entry->second = all.add(entry->first);
      std::uint32_t& pick = all.picks[side][entry->second];
      if (pick == Alignment::absent) {
        pick = row;
      } else {
        all.ambiguous[entry->second] = true;
      }
    }
  }
  if (matching.join == Join::unite) return all;
  Joined met;
  met.picks.resize(sides.rows.size());
  for (std::uint32_t at = 0; at < all.rows.size(); ++at) {
    if (std::any_of(all.picks.begin(), all.picks.end(),
                    [&](const auto& pick) { return pick[at] == Alignment::absent; }))
      continue;
    const std::uint32_t kept = met.add(std::move(all.rows[at]));
    for (std::size_t side = 0; side < sides.rows.size(); ++side) met.picks[side][kept] = all.picks[side][at];
    met.ambiguous[kept] = all.ambiguous[at];
  }
  return met;
}

struct OneSide {
  std::size_t side;
  struct Entry {
    std::uint32_t row;
    bool ambiguous;
  };
  std::unordered_map<Labels, Entry, LabelsHash> by_key;
};

Joined many_to_one(const Matching& matching, const Sides& sides) {
  Joined out;
  out.picks.resize(sides.rows.size());
  const std::size_t many = matching.group == Matching::Group::left ? 0 : sides.rows.size() - 1;
  std::vector<OneSide> ones;
  for (std::size_t side = 0; side < sides.rows.size(); ++side) {
    // A family that meets itself has lost its second input, and is still its own "one" side.
    if (side == many && sides.rows.size() > 1) continue;
    OneSide& one = ones.emplace_back(OneSide{side, {}});
    const std::vector<Labels>& rows = *sides.rows[side];
    for (std::uint32_t row = 0; row < rows.size(); ++row) {
      const auto [entry, fresh] =
          one.by_key.try_emplace(match_key(matching, rows[row]), OneSide::Entry{row, false});
      if (!fresh) entry->second.ambiguous = true;
    }
  }
  std::unordered_map<Labels, std::uint32_t, LabelsHash> by_labels;
  const std::vector<Labels>& rows = *sides.rows[many];
  std::vector<OneSide::Entry> partners(ones.size());
  for (std::uint32_t row = 0; row < rows.size(); ++row) {
    const Labels key = match_key(matching, rows[row]);
    bool met = true, ambiguous = false;
    for (std::size_t i = 0; i < ones.size() && met; ++i) {
      const auto entry = ones[i].by_key.find(key);
      met = entry != ones[i].by_key.end();
      if (!met) break;
      partners[i] = entry->second;
      ambiguous = ambiguous || entry->second.ambiguous;
    }
    if (!met) continue;
    Labels labels = rows[row].without_name();
    const Labels& source = (*sides.rows[ones.front().side])[partners.front().row];
    for (const std::string& name : matching.include) labels = labels.with(name, source.get(name));
    const auto [entry, fresh] = by_labels.try_emplace(std::move(labels), 0);
    if (!fresh) {
      out.ambiguous[entry->second] = true;
      continue;
    }
    entry->second = out.add(entry->first);
    for (std::size_t i = 0; i < ones.size(); ++i) out.picks[ones[i].side][entry->second] = partners[i].row;
    out.picks[many][entry->second] = row;
    out.ambiguous[entry->second] = ambiguous;
  }
  return out;
}

bool is_identity(const std::vector<std::uint32_t>& pick, std::size_t rows) {
  if (pick.size() != rows) return false;
  for (std::uint32_t i = 0; i < rows; ++i)
    if (pick[i] != i) return false;
  return true;
}

}  // namespace

Alignment align(const Matching& matching, const std::vector<JoinInput>& inputs) {
  Alignment out;
  out.sources.resize(inputs.size());
  const Sides sides = find_sides(matching, inputs);
  if (sides.rows.empty()) {
    out.rows = one_row();
    for (Alignment::Source& source : out.sources) source.broadcast = true;
    return out;
  }
  const bool grouped = matching.group != Matching::Group::one_to_one;
  Joined joined = grouped ? many_to_one(matching, sides) : one_to_one(matching, sides);
  const bool all_bare =
      std::all_of(inputs.begin(), inputs.end(), [](const JoinInput& in) { return in.scalar || in.bare; });
  if (joined.rows.empty() && all_bare && matching.join == Join::unite) joined.add(Labels{});

  for (std::size_t i = 0; i < inputs.size(); ++i) {
    Alignment::Source& source = out.sources[i];
    const std::size_t side = sides.of_input[i];
    source.broadcast = side == Sides::everywhere;
    if (source.broadcast) continue;
    source.direct = is_identity(joined.picks[side], inputs[i].rows->size());
    if (!source.direct) source.pick = joined.picks[side];
    if (source.direct && !out.rows && *inputs[i].rows == joined.rows) out.rows = inputs[i].rows;
  }
  for (std::uint32_t at = 0; at < joined.ambiguous.size(); ++at)
    if (joined.ambiguous[at]) out.ambiguous.push_back(at);
  if (!out.rows) out.rows = std::make_shared<const std::vector<Labels>>(std::move(joined.rows));
  return out;
}

}  // namespace signalbox::eval
