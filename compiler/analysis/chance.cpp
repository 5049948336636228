#include "compiler/analysis/chance.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace signalbox::analysis {
namespace {

// One mass by the saddle-point expansion of C. Loader, "Fast and Accurate Computation of Binomial
// Probabilities" (2000): factorials of large numbers are never formed, so nothing large cancels.

// ln i! minus Stirling's approximation of it.
double stirling_error(double i) {
  if (i < 16) {
    const double half_log_two_pi = 0.5 * std::log(2 * std::numbers::pi);
    return i == 0 ? 0 : std::lgamma(i + 1) - (i + 0.5) * std::log(i) + i - half_log_two_pi;
  }
  const double square = i * i;
  return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / i;
}

// x ln(x ÷ mean) + mean − x.
double deviance(double x, double mean) {
  const double d = (x - mean) / mean;
  if (std::abs(d) < 0.1) {
    // (1 + d) ln(1 + d) − d = Σ (−d)^n ÷ (n (n − 1)), n from 2.
    double sum = 0, power = -d;
    for (int n = 2; n < 60; ++n) {
      power *= -d;
      const double term = power / (static_cast<double>(n) * (n - 1));
      sum += term;
      if (std::abs(term) < 1e-17 * std::abs(sum)) break;
    }
    return mean * sum;
  }
  return x * std::log(x / mean) + mean - x;
}

double mass(double n, double i, double p) {
  const double q = 1 - p;
  if (i == 0) return std::exp(n * std::log1p(-p));
  if (i == n) return std::exp(n * std::log(p));
  const double exponent = stirling_error(n) - stirling_error(i) - stirling_error(n - i) - deviance(i, n * p) -
                          deviance(n - i, n * q);
  return std::exp(exponent) * std::sqrt(n / (2 * std::numbers::pi * i * (n - i)));
}

// Both sums go away from the mode, where terms only shrink.
double sum_up(double n, double k, double p) {
  double term = mass(n, k, p), sum = term;
  for (double i = k; i < n && term > sum * 1e-18; ++i) {
    term *= (n - i) / (i + 1) * (p / (1 - p));
    sum += term;
  }
  return std::min(sum, 1.0);
}

double sum_down(double n, double k, double p) {
  double term = mass(n, k, p), sum = term;
  for (double i = k; i > 0 && term > sum * 1e-18; --i) {
    term *= i / (n - i + 1) * ((1 - p) / p);
    sum += term;
  }
  return std::min(sum, 1.0);
}

}  // namespace

double chance_of_at_least(double n, double k, double p) {
  if (k <= 0) return 1;
  if (k > n) return 0;
  return k > n * p ? sum_up(n, k, p) : 1 - sum_down(n, k - 1, p);
}

double chance_of_at_most(double n, double k, double p) {
  if (k < 0) return 0;
  if (k >= n) return 1;
  return k < n * p ? sum_down(n, k, p) : 1 - sum_up(n, k + 1, p);
}

}  // namespace signalbox::analysis
