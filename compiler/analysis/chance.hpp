// Tails of the binomial distribution, small ones to full relative precision.
#pragma once

namespace signalbox::analysis {

// Beyond it a double no longer counts one by one; `n` is at most that.
inline constexpr double most_events = 1e15;

// The chance of at least (at most) `k` bad ones among `n` that are bad with probability `p` each. `n` and `k`
// are whole numbers; p lies between 0 and 1, both excluded.
double chance_of_at_least(double n, double k, double p);
double chance_of_at_most(double n, double k, double p);

}  // namespace signalbox::analysis
