// What a fuzzer asks of every input: that it ends the program says so to the fuzzer.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace signalbox {

inline void require(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

}  // namespace signalbox
