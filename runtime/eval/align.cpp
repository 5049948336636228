#include "runtime/eval/align.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace signalbox::eval {
namespace {

using plan::Join;
using plan::Matching;

// The families that meet, and which of them each input is.
struct Sides {
  std::vector<const std::vector<Labels>*> rows;
  std::vector<std::size_t> of_input;
  static constexpr std::size_t everywhere = Alignment::everywhere;
};

bool keeps_name(const Matching& matching) {
  return matching.name == Matching::Name::kept;
}

bool is_paired(const Matching& matching) {
  return matching.group != Matching::Group::one_to_one ||
         (keeps_name(matching) && matching.join != Join::only);
}

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
    if (!is_paired(matching)) {
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
  std::vector<std::vector<std::vector<std::uint32_t>>> candidates;  // by row, then by side
  std::vector<std::vector<std::uint32_t>> rivals;                   // by row
  std::vector<Rivals> all_rivals;
  std::size_t sides = 0;

  std::uint32_t add(Labels labels) {
    rows.push_back(std::move(labels));
    candidates.emplace_back(sides);
    rivals.emplace_back();
    return static_cast<std::uint32_t>(rows.size() - 1);
  }
};

Joined one_to_one(const Matching& matching, const Sides& sides) {
  Joined all;
  all.sides = sides.rows.size();
  std::unordered_map<Labels, std::uint32_t, LabelsHash> by_key;
  for (std::size_t side = 0; side < sides.rows.size(); ++side) {
    const std::vector<Labels>& rows = *sides.rows[side];
    for (std::uint32_t row = 0; row < rows.size(); ++row) {
      Labels key = keeps_name(matching) ? rows[row] : match_key(matching, rows[row]);
      const auto [entry, fresh] = by_key.try_emplace(std::move(key), 0);
      // Where the name is matched too, the result has none all the same.
      if (fresh) entry->second = all.add(keeps_name(matching) ? entry->first : entry->first.without_name());
      all.candidates[entry->second][side].push_back(row);
    }
  }
  for (const auto& candidates : all.candidates)
    if (all.sides > 1 && candidates[1].size() > 1) all.all_rivals.push_back({1, candidates[1], true});
  if (matching.join == Join::unite) return all;
  Joined met;
  met.sides = all.sides;
  met.all_rivals = std::move(all.all_rivals);
  for (std::uint32_t at = 0; at < all.rows.size(); ++at) {
    const auto& sides_of = all.candidates[at];
    if (std::any_of(sides_of.begin(), sides_of.end(), [](const auto& rows) { return rows.empty(); }))
      continue;
    const std::uint32_t kept = met.add(std::move(all.rows[at]));
    met.candidates[kept] = std::move(all.candidates[at]);
  }
  return met;
}

struct OneSide {
  std::size_t side;
  struct Entry {
    std::vector<std::uint32_t> rows;
    std::uint32_t rivals = Alignment::absent;
  };
  std::unordered_map<Labels, Entry, LabelsHash> by_key;
};

OneSide index_of(const Matching& matching, const Sides& sides, std::size_t side, bool of_one_side,
                 Joined& out) {
  OneSide one{side, {}};
  const std::vector<Labels>& rows = *sides.rows[side];
  for (std::uint32_t row = 0; row < rows.size(); ++row) {
    OneSide::Entry& entry = one.by_key[match_key(matching, rows[row])];
    entry.rows.push_back(row);
    if (entry.rows.size() == 2) {
      entry.rivals = static_cast<std::uint32_t>(out.all_rivals.size());
      out.all_rivals.emplace_back();
    }
    if (entry.rows.size() >= 2) out.all_rivals[entry.rivals] = {side, entry.rows, of_one_side};
  }
  return one;
}

Labels result_labels(const Matching& matching, const Labels& many, const Labels& one) {
  if (matching.group == Matching::Group::one_to_one) {
    // A filter: what is left of the first family's labels, its name too.
    if (matching.join == Join::on) return many.keep(matching.labels);
    if (matching.join != Join::ignoring) return many;
    const bool named =
        std::find(matching.labels.begin(), matching.labels.end(), metric_name_label) == matching.labels.end();
    const Labels left = many.drop(matching.labels);
    return named ? left.with(metric_name_label, many.get(metric_name_label)) : left;
  }
  Labels labels = keeps_name(matching) ? many : many.without_name();
  for (const std::string& name : matching.include) labels = labels.with(name, one.get(name));
  return labels;
}

// Each row of the "many" side meets one row of each other side. Where a "one" side has several in one place,
// each is a candidate; those whose labels the result takes over make rows of their own.
Joined many_to_one(const Matching& matching, const Sides& sides) {
  Joined out;
  out.sides = sides.rows.size();
  const std::size_t many = matching.group == Matching::Group::right ? sides.rows.size() - 1 : 0;
  std::vector<OneSide> ones;
  for (std::size_t side = 0; side < sides.rows.size(); ++side)
    if (side != many) ones.push_back(index_of(matching, sides, side, true, out));
  // One to one, the first side may not have two in one place either. A family that meets itself has lost its
  // second input, and is still its own "one" side.
  OneSide firsts{many, {}};
  if (matching.group == Matching::Group::one_to_one || ones.empty())
    firsts = index_of(matching, sides, many, ones.empty(), out);
  std::unordered_map<Labels, std::uint32_t, LabelsHash> by_labels;
  const std::vector<Labels>& rows = *sides.rows[many];
  std::vector<const OneSide::Entry*> partners(ones.size());
  for (std::uint32_t row = 0; row < rows.size(); ++row) {
    const Labels key = match_key(matching, rows[row]);
    bool met = true;
    std::vector<std::uint32_t> rivals;
    for (std::size_t i = 0; i < ones.size() && met; ++i) {
      const auto entry = ones[i].by_key.find(key);
      met = entry != ones[i].by_key.end();
      if (!met) break;
      partners[i] = &entry->second;
      if (entry->second.rivals != Alignment::absent) rivals.push_back(entry->second.rivals);
    }
    if (!met) continue;
    if (const auto entry = firsts.by_key.find(key);
        entry != firsts.by_key.end() && entry->second.rivals != Alignment::absent)
      rivals.push_back(entry->second.rivals);
    // Every choice of one row a side.
    std::vector<std::size_t> choice(ones.size(), 0);
    for (bool more = true; more;) {
      const Labels* front = ones.empty()
                                ? &rows[row]
                                : &(*sides.rows[ones.front().side])[partners.front()->rows[choice.front()]];
      const auto [entry, fresh] = by_labels.try_emplace(result_labels(matching, rows[row], *front), 0);
      if (fresh) entry->second = out.add(entry->first);
      auto& candidates = out.candidates[entry->second];
      candidates[many].push_back(row);
      for (std::size_t i = 0; i < ones.size(); ++i)
        candidates[ones[i].side].push_back(partners[i]->rows[choice[i]]);
      auto& of_row = out.rivals[entry->second];
      for (const std::uint32_t r : rivals)
        if (std::find(of_row.begin(), of_row.end(), r) == of_row.end()) of_row.push_back(r);
      more = false;
      for (std::size_t i = ones.size(); i-- > 0 && !more;) {
        more = ++choice[i] < partners[i]->rows.size();
        if (!more) choice[i] = 0;
      }
    }
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

Labels match_key(const Matching& matching, const Labels& labels) {
  if (matching.join == Join::on) return labels.keep(matching.labels);
  if (matching.join == Join::ignoring) return labels.drop(matching.labels);
  return labels.without_name();
}

Alignment align(const Matching& matching, const std::vector<JoinInput>& inputs) {
  Alignment out;
  out.sources.resize(inputs.size());
  const Sides sides = find_sides(matching, inputs);
  if (sides.rows.empty()) {
    out.rows = one_row();
    for (Alignment::Source& source : out.sources) source.broadcast = true;
    return out;
  }
  const bool paired = is_paired(matching);
  Joined joined = paired ? many_to_one(matching, sides) : one_to_one(matching, sides);
  out.unite = matching.join == Join::unite;
  const bool all_bare =
      std::all_of(inputs.begin(), inputs.end(), [](const JoinInput& in) { return in.scalar || in.bare; });
  if (joined.rows.empty() && all_bare && matching.join == Join::unite) joined.add(Labels{});

  std::vector<std::vector<std::uint32_t>> picks(joined.sides);
  for (std::uint32_t row = 0; row < joined.rows.size(); ++row) {
    bool contested = !joined.rivals[row].empty();
    for (std::size_t side = 0; side < joined.sides; ++side) {
      const std::vector<std::uint32_t>& candidates = joined.candidates[row][side];
      picks[side].push_back(candidates.empty() ? Alignment::absent : candidates.front());
      contested = contested || candidates.size() > 1;
    }
    if (contested)
      out.contests.push_back({row, paired, std::move(joined.candidates[row]), std::move(joined.rivals[row])});
  }
  out.rivals = std::move(joined.all_rivals);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    Alignment::Source& source = out.sources[i];
    source.side = sides.of_input[i];
    source.broadcast = source.side == Sides::everywhere;
    if (source.broadcast) continue;
    source.direct = is_identity(picks[source.side], inputs[i].rows->size());
    if (!source.direct) source.pick = picks[source.side];
    if (source.direct && !out.rows && *inputs[i].rows == joined.rows) out.rows = inputs[i].rows;
  }
  if (!out.rows) out.rows = std::make_shared<const std::vector<Labels>>(std::move(joined.rows));
  return out;
}

}  // namespace signalbox::eval
