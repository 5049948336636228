#include "runtime/formats/tsdb_block.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "runtime/base/crc32c.hpp"
#include "runtime/formats/tsdb_bytes.hpp"

namespace signalbox::formats::tsdb {
namespace {

constexpr std::uint32_t tombstones_magic = 0x0130ba30;
constexpr std::size_t tombstones_header_bytes = 5, checksum_bytes = 4;

}  // namespace

bool is_block_name(std::string_view name) {
  // Crockford's base 32; 26 digits hold 130 bits, so that the first is below 8.
  return name.size() == 26 && name[0] >= '0' && name[0] <= '7' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return std::string_view("0123456789ABCDEFGHJKMNPQRSTVWXYZ").find(c) != std::string_view::npos;
         });
}

Result<BlockMeta> read_block_meta(std::string_view text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  const auto whole = [&](const char* name) { return json.contains(name) && json[name].is_number_integer(); };
  if (!json.is_object() || !json.contains("ulid") || !json["ulid"].is_string() || !whole("minTime") ||
      !whole("maxTime") || !whole("version"))
    return Error{ErrorCode::malformed, "this is no block's description: ulid, minTime, maxTime, version"};
  if (json["version"] != 1)
    return Error{ErrorCode::unsupported,
                 fmt::format("blocks of version {} are not known", json["version"].dump())};
  BlockMeta out{json["ulid"].get<std::string>(),
                Instant{json["minTime"].get<std::int64_t>()},
                Instant{json["maxTime"].get<std::int64_t>()},
                {},
                false};
  if (out.to <= out.from) return Error{ErrorCode::malformed, "a block that ends before it begins"};
  if (!json.contains("compaction") || !json["compaction"].is_object()) return out;
  const auto& compaction = json["compaction"];
  if (compaction.contains("parents") && compaction["parents"].is_array())
    for (const auto& parent : compaction["parents"])
      if (parent.is_object() && parent.contains("ulid") && parent["ulid"].is_string())
        out.parents.push_back(parent["ulid"].get<std::string>());
  if (compaction.contains("hints") && compaction["hints"].is_array())
    for (const auto& hint : compaction["hints"])
      out.out_of_order = out.out_of_order || hint == "from-out-of-order";
  return out;
}

Result<void> read_tombstones(std::string_view file, const TombstoneVisitor& visit) {
  Bytes header(file);
  const std::uint32_t magic = header.be32();
  const unsigned version = header.u8();
  if (!header.ok() || magic != tombstones_magic)
    return Error{ErrorCode::malformed, "this is no file of tombstones: it does not begin as one"};
  if (version != 1)
    return Error{ErrorCode::unsupported, fmt::format("tombstones of version {} are not known", version)};
  if (header.left() < checksum_bytes) return Error{ErrorCode::malformed, "the tombstones are cut short"};
  const std::string_view content = file.substr(tombstones_header_bytes, header.left() - checksum_bytes);
  if (load_be32(file.data() + file.size() - checksum_bytes) != crc32c(content))
    return Error{ErrorCode::malformed, "the checksum of the tombstones does not fit them"};
  for (Bytes in(content); in.left() > 0;) {
    const std::uint64_t series = in.uvarint();
    const std::int64_t first = in.varint(), last = in.varint();
    if (!in.ok()) return Error{ErrorCode::malformed, "the last tombstone is cut short"};
    visit(series, first, last);
  }
  return {};
}

}  // namespace signalbox::formats::tsdb
