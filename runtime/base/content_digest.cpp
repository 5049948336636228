#include "runtime/base/content_digest.hpp"

#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace signalbox {
namespace {

Digest128 of(XXH128_hash_t hash) {
  return {hash.high64, hash.low64};
}

}  // namespace

struct ContentDigest::State {
  XXH3_state_t hash;
};

std::string to_hex(const Digest128& digest) {
  return fmt::format("{:016x}{:016x}", digest.high, digest.low);
}

Digest128 content_digest(std::string_view bytes) {
  return of(XXH3_128bits(bytes.data(), bytes.size()));
}

ContentDigest::ContentDigest() : state_(std::make_unique<State>()) {
  XXH3_128bits_reset(&state_->hash);
}
ContentDigest::ContentDigest(ContentDigest&&) noexcept = default;
ContentDigest::~ContentDigest() = default;
void ContentDigest::add(std::string_view bytes) {
  XXH3_128bits_update(&state_->hash, bytes.data(), bytes.size());
}
Digest128 ContentDigest::value() const {
  return of(XXH3_128bits_digest(&state_->hash));
}

}  // namespace signalbox
