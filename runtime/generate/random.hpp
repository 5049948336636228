// Random numbers that are the same wherever they are drawn: whole numbers of 64 bits, and doubles by + - × ÷
// and sqrt alone, which IEEE 754 rounds in one way. The mathematics of a platform's library (exp, sin, log)
// and the standard's distributions are not, and so not here.
#pragma once

#include <cstdint>

namespace signalbox::generate {

// The finaliser of splitmix64: G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number
// generators", OOPSLA 2014; constants of S. Vigna's public-domain splitmix64.c.
constexpr std::uint64_t scramble(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// splitmix64: eight bytes of state, a period of 2^64.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  // A stream for each (seed, a, b), so that drawing from one moves no other.
  Random(std::uint64_t seed, std::uint64_t a, std::uint64_t b)
      : state_(scramble(scramble(scramble(seed + gamma) ^ (a + 1) * gamma) ^ (b + 1) * gamma)) {}

  std::uint64_t next() { return scramble(state_ += gamma); }
  // 0 … n-1, for n > 0. The modulo favours small numbers by n / 2^64, which no trace shows.
  std::int64_t below(std::int64_t n) {
    return static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(n));
  }
  std::int64_t between(std::int64_t least, std::int64_t most) { return least + below(most - least + 1); }

  // A count of independent arrivals of which `mean` are expected; 0 for a mean of 0. Below `few` it is
  // Poisson's distribution by sequential search (L. Devroye, "Non-Uniform Random Variate Generation", 1986,
  // X.3.3); from there on the normal one with Poisson's mean and variance, rounded, and never negative. One
  // number is drawn whatever the mean is, so that a change of it moves nothing that is drawn later.
  std::uint64_t count(double mean);

 private:
  static constexpr std::uint64_t gamma = 0x9e3779b97f4a7c15u;
  static constexpr double few = 10;
  std::uint64_t state_;
};

}  // namespace signalbox::generate
