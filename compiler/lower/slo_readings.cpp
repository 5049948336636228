// Which SLOs the slices of an SLO are judged by: never itself, and never so many on top of each other that
// what is built from them could not be walked.
#include <fmt/format.h>

#include <algorithm>

#include "compiler/lower/declarations.hpp"

namespace signalbox::lower {

using sema::TypedOp;
using sema::TypedPtr;
using source::Code;

namespace {

// The first place where each SLO is read.
void find_readings(const TypedPtr& t, std::set<const sema::Typed*>& seen,
                   std::map<plan::Index, source::Span>& out) {
  if (t == nullptr || !seen.insert(t.get()).second) return;
  if (t->op == TypedOp::slo_value) out.emplace(t->slo, t->span);
  for (const TypedPtr& part : t->args) find_readings(part, seen, out);
}

}  // namespace

void Declarations::check_slo_readings() {
  slo_depth_.assign(counts_.size(), 0);
  for (plan::Index i = 0; i < counts_.size(); ++i) {
    std::vector<SloReading> way;
    counted_[i] = measure_slo(i, way);
  }
}

// Whether the SLO and all that it reads can be counted. `way`: the readings that led here.
bool Declarations::measure_slo(plan::Index index, std::vector<SloReading>& way) {
  if (!counted_[index] || slo_depth_[index] != 0) return counted_[index];
  const std::size_t most = limits_.nesting * 5;
  const auto known = std::find_if(way.begin(), way.end(), [&](const SloReading& r) { return r.by == index; });
  if (known != way.end()) {
    report_cycle({known, way.end()});
    return false;
  }
  const TypedPtr& condition = counts_[index].slice_condition;
  const std::size_t own = condition == nullptr ? 1 : sema::depth_of(*condition);
  std::size_t depth = own;
  std::map<plan::Index, source::Span> readings;
  std::set<const sema::Typed*> seen;
  find_readings(condition, seen, readings);
  bool good = true;
  if (way.size() < most) {
    for (const auto& [slo, span] : readings) {
      way.push_back({index, span});
      good = measure_slo(slo, way) && good;
      way.pop_back();
      depth = std::max(depth, own + slo_depth_[slo]);
    }
  }
  if (good && (depth > most || way.size() >= most)) {
    // A chain that is longer by far is met again at every so many of its parts.
    if (!slos_too_deep_)
      diagnostics_.report(
          Code::nesting_too_deep, scope_.slo_decls[index]->name.span,
          fmt::format("more than {} operations on top of each other once every slo is filled in", most),
          "keep fewer levels of slos");
    slos_too_deep_ = true;
    good = false;
  }
  slo_depth_[index] = depth;
  counted_[index] = good;
  return good;
}

void Declarations::report_cycle(std::vector<SloReading> cycle) {
  // The first in the text, whichever of them was looked at first.
  std::rotate(cycle.begin(),
              std::min_element(cycle.begin(), cycle.end(),
                               [](const SloReading& a, const SloReading& b) { return a.by < b.by; }),
              cycle.end());
  const auto name = [&](plan::Index slo) { return scope_.slo_decls[slo]->name; };
  auto& d =
      diagnostics_.report(Code::cyclic_slo, name(cycle[0].by).span,
                          fmt::format("`{}` is judged by itself", name(cycle[0].by).text),
                          "say in `where` what makes a slice bad: a metric, or another slo that does not "
                          "read this one");
  for (std::size_t i = 0; i < cycle.size(); ++i)
    d.notes.push_back({cycle[i].span, fmt::format("`{}` reads `{}` here", name(cycle[i].by).text,
                                                  name(cycle[(i + 1) % cycle.size()].by).text)});
}

}  // namespace signalbox::lower
