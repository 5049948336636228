// What all benchmarks measure and report alike: CPU time, medians, spread.
#pragma once

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <ctime>
#include <string>
#include <vector>

namespace signalbox::bench {

inline double seconds(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}
// Of this process, all its threads, in user and system; in seconds.
inline double cpu() {
  return seconds(CLOCK_PROCESS_CPUTIME_ID);
}
// Of the calling thread.
inline double cpu_of_thread() {
  return seconds(CLOCK_THREAD_CPUTIME_ID);
}
inline double wall() {
  return seconds(CLOCK_MONOTONIC);
}
inline double cpu_of(const rusage& used) {
  const auto of = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return of(used.ru_utime) + of(used.ru_stime);
}
// Of the children that have ended and were waited for, and of theirs.
inline double cpu_of_children() {
  rusage used{};
  getrusage(RUSAGE_CHILDREN, &used);
  return cpu_of(used);
}
// Seconds by `clock` that `work` takes.
template <class Work>
double cost(double (*clock)(), const Work& work) {
  const double before = clock();
  work();
  return clock() - before;
}

// The upper one of two in the middle. `v` has at least one value.
inline double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
  return v[v.size() / 2];
}
// "median (least to most)".
inline std::string spread(const std::vector<double>& v, const char* unit = "", int digits = 3) {
  const auto [least, most] = std::minmax_element(v.begin(), v.end());
  return fmt::format("{:.{}f}{} ({:.{}f} to {:.{}f})", median(v), digits, unit, *least, digits, *most,
                     digits);
}
// Pair by pair, as both sides of a pair met the same neighbours.
inline std::vector<double> ratios(const std::vector<double>& over, const std::vector<double>& under) {
  std::vector<double> out;
  for (std::size_t i = 0; i < over.size(); ++i) out.push_back(over[i] / under[i]);
  return out;
}
// The faster of two builds of an opponent, pair by pair.
inline std::vector<double> faster(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> out;
  for (std::size_t i = 0; i < a.size(); ++i) out.push_back(std::min(a[i], b[i]));
  return out;
}

}  // namespace signalbox::bench
