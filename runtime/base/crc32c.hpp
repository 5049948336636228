// CRC-32C (Castagnoli), as Prometheus, iSCSI and many file formats have it.
#pragma once

#include <cstdint>
#include <string_view>

namespace signalbox {

std::uint32_t crc32c(std::string_view bytes);
// The same by table, whatever the processor has: what the fast way is held against.
std::uint32_t crc32c_by_table(std::string_view bytes);

}  // namespace signalbox
