// SHA-256 and HMAC-SHA-256, in lower-case hexadecimal. The one place that sees OpenSSL.
#pragma once

#include <string>
#include <string_view>

namespace signalbox {

std::string sha256_hex(std::string_view bytes);
std::string hmac_sha256_hex(std::string_view key, std::string_view bytes);

}  // namespace signalbox
