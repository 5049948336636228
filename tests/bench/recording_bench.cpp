// A recorded file to series in a store, against finding its line ends with memchr, and against promtool,
// which makes blocks of it. Rounds are interleaved; medians and spread are of CPU time, children included.
//   build/tests/recording_bench FILE [ROUNDS] [promtool]
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/sources/file.hpp"
#include "tests/bench/measure.hpp"

namespace {

using namespace signalbox;
using namespace signalbox::bench;

void say(const char* what, const std::vector<double>& times, double bytes) {
  fmt::print("{:<28} {}  {:.0f} MB/s\n", what, spread(times, " s"), bytes / 1e6 / median(times));
}
void say_ratio(const char* what, const std::vector<double>& over, const std::vector<double>& under) {
  fmt::print("{:<28} {}\n", what, spread(ratios(over, under)));
}

}  // namespace

int main(int argc, char** argv) {
  const char* const path = argc > 1 ? argv[1] : "";
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 11;
  const bool promtool = argc > 3 && std::string_view(argv[3]) == "promtool";
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  struct stat status {};
  if (fd < 0 || ::fstat(fd, &status) != 0 || rounds < 1) {
    fmt::print(stderr, "usage: recording_bench FILE [ROUNDS] [promtool]\n");
    return 2;
  }
  std::vector<char> buffer;
  const sources::TextSource text{static_cast<std::uint64_t>(status.st_size),
                                 [&](std::uint64_t offset, std::size_t most) -> Result<std::string_view> {
                                   if (buffer.size() < most) buffer.resize(most);
                                   const ssize_t n =
                                       ::pread(fd, buffer.data(), most, static_cast<off_t>(offset));
                                   if (n < 0) return Error{ErrorCode::io, std::strerror(errno)};
                                   return std::string_view(buffer.data(), static_cast<std::size_t>(n));
                                 }};
  std::vector<double> ours, lines, digests, theirs;
  std::size_t samples = 0, newlines = 0;
  std::string hex;
  bool good = true;
  for (int i = 0; i < rounds && good; ++i) {
    lines.push_back(cost(cpu, [&] {
      newlines = 0;
      good = good && sources::each_piece(text, [&](std::string_view piece) {
               const char* at = piece.data();
               const char* const end = at + piece.size();
               while ((at = static_cast<const char*>(
                           std::memchr(at, '\n', static_cast<std::size_t>(end - at)))) != nullptr) {
                 ++newlines;
                 if (++at == end) break;
               }
               return true;
             });
    }));
    ours.push_back(cost(cpu, [&] {
      const Limits limits;
      store::SeriesStore store(limits);
      sources::Recording recording(limits);
      good = good && recording.add(text);
      const auto loaded = std::move(recording).load(store);
      good = good && loaded;
      samples = store.sample_count();
    }));
    digests.push_back(cost(cpu, [&] {
      ContentDigest digest;
      good = good && sources::each_piece(text, [&](std::string_view piece) {
               digest.add(piece);
               return true;
             });
      hex = to_hex(digest.value());
    }));
    if (!promtool) continue;
    theirs.push_back(cost(cpu_of_children, [&] {
      const std::string out = fmt::format("/tmp/signalbox-bench-{}", ::getpid());
      good =
          good &&
          std::system(fmt::format("rm -rf {0} && mkdir {0} && promtool tsdb create-blocks-from openmetrics "
                                  "-q '{1}' {0} >/dev/null && rm -rf {0}",
                                  out, path)
                          .c_str()) == 0;
    }));
  }
  if (!good) {
    fmt::print(stderr, "{}: it could not be read\n", path);
    return 1;
  }
  const auto bytes = static_cast<double>(status.st_size);
  fmt::print("{:.0f} MB, {} lines, {} samples, digest {}\n", bytes / 1e6, newlines, samples, hex);
  say("text to series", ours, bytes);
  say("line ends by memchr", lines, bytes);
  say("digest", digests, bytes);
  say_ratio("ratio to memchr", ours, lines);
  if (!promtool) return 0;
  say("promtool, text to blocks", theirs, bytes);
  say_ratio("promtool's ratio to ours", theirs, ours);
  return 0;
}
