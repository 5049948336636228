#include <algorithm>
#include <bit>
#include <limits>

#include "runtime/eval/evaluate.hpp"
#include "runtime/eval/ops.hpp"

namespace signalbox::eval {
namespace {

// `ticks` unknown ticks in a row. A cell that was reset has forgotten everything but that it is still
// unknown.
void pass_unknown(const plan::Hold& hold, std::uint64_t ticks, HoldCell& cell) {
  const std::uint64_t bound = std::uint64_t{hold.unknown_at_most} + 1;
  const std::uint64_t unknowns = cell.unknowns + std::min(ticks, bound);
  const Instant last_tick = cell.last_tick;
  if (unknowns >= bound) {
    cell = HoldCell{};
    cell.unknowns =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(bound, std::numeric_limits<std::uint32_t>::max()));
    cell.last_tick = last_tick;
    return;
  }
  cell.unknowns = static_cast<std::uint32_t>(unknowns);
  cell.history = ticks < 64 ? cell.history << ticks : 0;
}

// The ticks of a history that `of` counts.
std::uint64_t counted(const plan::Hold& hold) {
  return hold.of >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << hold.of) - 1;
}

bool satisfied(const plan::Hold& hold, const HoldCell& cell, bool now) {
  switch (hold.kind) {
    case plan::Hold::Kind::ticks:
      return now && cell.streak >= hold.count;
    case plan::Hold::Kind::time:
      return now && cell.held >= hold.time;
    case plan::Hold::Kind::of:
      return static_cast<std::uint32_t>(std::popcount(cell.history & counted(hold))) >= hold.count;
  }
  return false;
}

}  // namespace

void advance_hold(const plan::Hold& hold, Duration step, Instant tick, double value, plan::Evidence evidence,
                  HoldCell& cell, double& out_value, plan::Evidence& out_evidence) {
  if (step.ms > 0 && tick > cell.last_tick) {
    const std::int64_t ticks = (tick - cell.last_tick).ms / step.ms;
    if (ticks > 1) pass_unknown(hold, static_cast<std::uint64_t>(ticks - 1), cell);
  }
  cell.last_tick = tick;
  if (evidence != Evidence::value) {
    pass_unknown(hold, 1, cell);
    out_value = 0.0;
    out_evidence = evidence;
    return;
  }
  const bool now = value != 0.0;
  cell.unknowns = 0;
  cell.history = cell.history << 1 | (now ? 1u : 0u);
  if (now) {
    if (cell.streak < std::numeric_limits<std::uint32_t>::max()) ++cell.streak;
    if (cell.was_true) cell.held = cell.held + step;
  } else {
    cell.streak = 0;
    cell.held = {};
  }
  cell.was_true = now;
  out_value = satisfied(hold, cell, now) ? 1.0 : 0.0;
  out_evidence = Evidence::value;
}

void repeat_hold(const plan::Hold& hold, Duration step, std::uint64_t ticks, HoldCell& cell) {
  const Instant last = cell.last_tick + step * static_cast<std::int64_t>(ticks);
  if (cell.unknowns > 0) {
    pass_unknown(hold, ticks, cell);
  } else if (cell.was_true) {
    constexpr std::uint32_t most = std::numeric_limits<std::uint32_t>::max();
    cell.streak += static_cast<std::uint32_t>(std::min<std::uint64_t>(ticks, most - cell.streak));
    cell.held = cell.held + step * static_cast<std::int64_t>(ticks);
    cell.history =
        ticks < 64 ? (cell.history << ticks) | ((std::uint64_t{1} << ticks) - 1) : ~std::uint64_t{0};
  } else {
    cell.history = ticks < 64 ? cell.history << ticks : 0;
  }
  cell.last_tick = last;
}

bool settled(const plan::Hold& hold, const HoldCell& cell) {
  if (cell.unknowns > 0) return true;  // its answer is unknown too
  return satisfied(hold, cell, cell.was_true) == cell.was_true;
}

}  // namespace signalbox::eval
