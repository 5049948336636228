// parity [--seed N] [--cases N] [--expression N] [--write-table FILE]
//
// Compares generated expressions over generated series with a real Prometheus. Fails on a mismatch, and with
// --write-table also when a cell of the table has too few cases.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/parity/runner.hpp"
#include "tests/parity/table.hpp"

using namespace signalbox::parity;

namespace {

struct Arguments {
  std::uint64_t seed = 1, cases = 1'000'000;
  std::string table;
  bool one = false;
  std::uint64_t expression = 0;
};

[[noreturn]] void usage() {
  fmt::print(stderr, "usage: parity [--seed N] [--cases N] [--expression N] [--write-table FILE]\n");
  std::exit(2);
}

Arguments parse(int argc, char** argv) {
  Arguments out;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (i + 1 == argc) usage();
    const std::string value = argv[++i];
    if (word == "--write-table") {
      out.table = value;
      continue;
    }
    char* end = nullptr;
    const std::uint64_t number = std::strtoull(value.c_str(), &end, 10);
    if (value.empty() || *end != '\0') usage();
    if (word == "--seed")
      out.seed = number;
    else if (word == "--cases")
      out.cases = number;
    else if (word == "--expression")
      out.expression = number, out.one = true;
    else
      usage();
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = parse(argc, argv);
  std::string error;
  Tally tally;
  if (arguments.one) {
    if (const auto arena = Arena::start(arguments.seed, error)) arena->run(arguments.expression, tally);
  } else {
    tally = run_parity(arguments.seed, arguments.cases, error);
  }
  for (const std::string& report : tally.reports) fmt::print(stderr, "{}", report);
  if (!error.empty()) fmt::print(stderr, "parity: {}\n", error);
  fmt::print("{}", summary(arguments.seed, tally));
  bool good = error.empty() && tally.mismatches == 0;
  if (!arguments.table.empty() && good)
    good = write_table(arguments.table, arguments.seed, tally, error) ||
           (fmt::print(stderr, "parity: {}\n", error), false);
  return good ? 0 : 1;
}
