// `signalbox check --quiet` over programs of 1,000 to 100,000 lines: is its cost a straight line? The program
// itself is run; CPU time of its process, and its greatest memory.
//   build/tests/check_bench [ROUNDS] [DIRECTORY for check.svg|-] [LINES…]
// Programs of more than 20,000 lines are run in every fourth round alone.
#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "tests/bench/different_slos.hpp"
#include "tests/bench/measure.hpp"
#include "tests/bench/plot.hpp"

namespace {

using namespace signalbox::bench;

struct Checked {
  double ms;
  double mebibytes;
};
Checked check(const std::string& path) {
  const char* const arguments[] = {SIGNALBOX, "check", "--quiet", path.c_str(), nullptr};
  pid_t child = 0;
  rusage used{};
  int status = 0;
  if (const int error =
          ::posix_spawn(&child, SIGNALBOX, nullptr, nullptr, const_cast<char* const*>(arguments), environ);
      error != 0 || ::wait4(child, &status, 0, &used) != child || !WIFEXITED(status) ||
      WEXITSTATUS(status) != 0) {
    fmt::print(stderr, "{} check {}: {}\n", SIGNALBOX, path,
               error != 0 ? std::strerror(error) : "it did not succeed");
    std::exit(1);
  }
  return {1e3 * cpu_of(used), static_cast<double>(used.ru_maxrss) / 1024};
}

struct Program {
  std::string path;
  int lines;
  std::vector<double> ms, mebibytes;
};

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 11;
  const std::string_view directory = argc > 2 ? argv[2] : "-";
  std::vector<int> sizes;
  for (int i = 3; i < argc; ++i) sizes.push_back(std::atoi(argv[i]));
  if (sizes.empty()) sizes = {1'000, 3'000, 10'000, 30'000, 100'000};
  if (rounds < 1 || *std::min_element(sizes.begin(), sizes.end()) < 1 ||
      (directory != "-" && !std::filesystem::is_directory(directory))) {
    fmt::print(stderr, "usage: check_bench [ROUNDS] [DIRECTORY|-] [LINES…]\n");
    return 2;
  }
  std::string folder = std::filesystem::temp_directory_path() / "signalbox-check-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) {
    fmt::print(stderr, "{}: {}\n", folder, std::strerror(errno));
    return 1;
  }
  std::vector<Program> programs;
  for (const int size : sizes) {
    const std::string text = signalbox::tests::different_slos(size);
    programs.push_back({fmt::format("{}/{}.slo", folder, size),
                        static_cast<int>(std::count(text.begin(), text.end(), '\n')),
                        {},
                        {}});
    std::ofstream(programs.back().path) << text;
  }
  for (int round = 0; round < rounds; ++round)
    for (Program& program : programs) {
      if (program.lines > 20'000 && round % 4 != 0) continue;
      const Checked one = check(program.path);
      program.ms.push_back(one.ms);
      program.mebibytes.push_back(one.mebibytes);
    }
  std::filesystem::remove_all(folder);

  fmt::print("{:>8} {:>36} {:>14} {:>10} {:>7}\n", "lines", "CPU", "µs a line", "MiB", "rounds");
  Plot plot{"signalbox check", {"lines of the program", true}, {"ms of CPU", true}, {{"", {}}}};
  for (const Program& program : programs) {
    fmt::print("{:>8} {:>36} {:>14.1f} {:>10.0f} {:>7}\n", program.lines, spread(program.ms, " ms", 0),
               1e3 * median(program.ms) / program.lines, median(program.mebibytes), program.ms.size());
    plot.series[0].points.push_back(point(program.lines, program.ms));
  }
  if (directory == "-") return 0;
  const std::string path = fmt::format("{}/check.svg", directory);
  if (std::ofstream(path) << to_svg(plot)) return 0;
  fmt::print(stderr, "{} cannot be written\n", path);
  return 1;
}
