// PromQL's `and`, `or` and `unless` between families, and rows with labels rewritten.
#include <fmt/format.h>

#include <unordered_map>

#include "runtime/base/regex.hpp"
#include "runtime/eval/eval_cache.hpp"
#include "runtime/eval/native_histogram.hpp"
#include "runtime/eval/ops.hpp"

namespace signalbox::eval {
namespace {

constexpr auto no_data = static_cast<std::uint8_t>(Evidence::no_data);

SetPlaces places_of(const plan::Matching& matching, const Rows& first, const Rows& second) {
  SetPlaces out{first, second, 0, {}, {}, nullptr, {}};
  std::unordered_map<Labels, std::uint32_t, LabelsHash> by_key, by_labels;
  const auto place = [&](const Labels& labels) {
    const auto [entry, fresh] =
        by_key.try_emplace(match_key(matching, labels), static_cast<std::uint32_t>(by_key.size()));
    return entry->second;
  };
  std::vector<Labels> rows = *first;
  for (std::uint32_t row = 0; row < first->size(); ++row) {
    out.of_first.push_back(place((*first)[row]));
    by_labels.try_emplace((*first)[row], row);
  }
  for (const Labels& labels : *second) {
    out.of_second.push_back(place(labels));
    const auto [entry, fresh] = by_labels.try_emplace(labels, static_cast<std::uint32_t>(rows.size()));
    if (fresh) rows.push_back(labels);
    out.in_either.push_back(entry->second);
  }
  out.places = by_key.size();
  out.either = std::make_shared<const std::vector<Labels>>(std::move(rows));
  return out;
}

std::vector<bool> taken(const Column& column, const std::vector<std::uint32_t>& place, std::size_t places) {
  std::vector<bool> out(places, false);
  for (std::size_t row = 0; row < column.size(); ++row)
    if (column.has_sample(row)) out[place[row]] = true;
  return out;
}

}  // namespace

Column Evaluation::set(plan::Index index) {
  const plan::Node& node = context_.plan->nodes[index];
  const Column& first = memo_->at(node.inputs[0]);
  const Column& second = memo_->at(node.inputs[1]);
  SetPlaces& met = context_.cache->sets[index];
  if (met.first != first.rows || met.second != second.rows)
    met = places_of(node.matching, first.rows, second.rows);

  Column out = first;
  if (node.set != plan::SetOp::either) {
    const std::vector<bool> there = taken(second, met.of_second, met.places);
    const bool wanted = node.set == plan::SetOp::both;
    for (std::size_t row = 0; row < out.size(); ++row) {
      if (!out.has_sample(row) || there[met.of_first[row]] == wanted) continue;
      put(out, row, {unknown(Evidence::no_data), nullptr});
    }
    return out;
  }
  const std::vector<bool> there = taken(first, met.of_first, met.places);
  out.rows = met.either;
  out.value.resize(met.either->size(), 0.0);
  out.evidence.resize(met.either->size(), no_data);
  if (!out.histogram.empty()) out.histogram.resize(out.size());
  for (std::size_t row = 0; row < second.size(); ++row) {
    const std::uint32_t to = met.in_either[row];
    const bool fills = second.has_sample(row) ? !there[met.of_second[row]] : to >= first.size();
    if (fills) put(out, to, cell_at(second, row));
  }
  return out;
}

namespace {

Labels joined(const plan::Relabel& how, const Labels& labels) {
  std::string text;
  for (std::size_t i = 0; i < how.from.size(); ++i) {
    if (i > 0) text += how.with;
    text += labels.get(how.from[i]);
  }
  return labels.with(how.to, text);
}

}  // namespace

Column Evaluation::relabel(plan::Index index) {
  const plan::Node& node = context_.plan->nodes[index];
  const plan::Relabel& how = node.relabel;
  Column out = memo_->at(node.inputs[0]);
  auto& [from, to] = context_.cache->relabelled[index];
  if (from != out.rows) {
    std::vector<Labels> rows;
    rows.reserve(out.size());
    if (how.kind == plan::Relabel::Kind::join) {
      for (const Labels& row : *out.rows) rows.push_back(joined(how, row));
    } else {
      const Result<LabelRegex> regex = LabelRegex::compile(how.regex);
      if (!regex) fault(regex.error().message, regex.error().hint);
      for (const Labels& row : *out.rows) {
        const auto text = regex ? regex->rewrite(row.get(how.from[0]), how.with) : std::nullopt;
        rows.push_back(text ? row.with(how.to, *text) : row);
      }
    }
    from = out.rows;
    to = std::make_shared<const std::vector<Labels>>(std::move(rows));
  }
  out.rows = to;
  return out;
}

}  // namespace signalbox::eval
