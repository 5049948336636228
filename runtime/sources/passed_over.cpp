#include "runtime/sources/passed_over.hpp"

#include <fmt/format.h>

namespace signalbox::sources {

std::optional<Error> told_passed_over(std::size_t samples) {
  if (samples == 0) return std::nullopt;
  return Error{
      ErrorCode::unsupported,
      fmt::format("{} samples are passed over: native histograms of a kind that this version does not know",
                  samples),
      "those whose buckets grow by a constant factor are read, and so are classic histograms"};
}

}  // namespace signalbox::sources
