// The counts of a run, in words and as the table of docs/parity.md.
#pragma once

#include <cstdint>
#include <string>

#include "tests/parity/runner.hpp"

namespace signalbox::parity {

inline constexpr std::uint64_t least_of_a_cell = 50;

std::string summary(std::uint64_t seed, const Tally& tally);
// Replaces what stands between the file's two marks. Fails when a cell has too few cases, and says which.
bool write_table(const std::string& file, std::uint64_t seed, const Tally& tally, std::string& error);

}  // namespace signalbox::parity
