// A fast digest of bytes as they pass: XXH3, 128 bits. It tells contents apart that nobody made to look
// alike; where somebody may want to, there is digest.hpp. The one place that sees xxHash.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace signalbox {

struct Digest128 {
  std::uint64_t high = 0, low = 0;
  bool operator==(const Digest128&) const = default;
};
std::string to_hex(const Digest128& digest);  // 32 digits

Digest128 content_digest(std::string_view bytes);

class ContentDigest {
 public:
  ContentDigest();
  ContentDigest(ContentDigest&&) noexcept;
  ~ContentDigest();
  // In as many pieces as one likes: they count as one text.
  void add(std::string_view bytes);
  Digest128 value() const;  // of what was added so far

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace signalbox
