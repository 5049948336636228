#include <fmt/format.h>

#include <limits>
#include <type_traits>

#include "runtime/base/bytes.hpp"
#include "runtime/base/digest.hpp"
#include "runtime/plan/check_plan.hpp"
#include "runtime/plan/plan_fields.hpp"

namespace signalbox::plan {
namespace {

constexpr std::string_view magic = "SBPL";
constexpr std::uint64_t format_version = 2;

class Writer {
 public:
  explicit Writer(bool origins) : origins_(origins) {}
  std::string bytes() && { return std::move(out_).bytes(); }
  ByteWriter& raw() { return out_; }

  template <class... T>
  void operator()(const T&... fields) {
    (field(fields), ...);
  }
  template <class... T>
  void since(std::uint64_t, const T&... fields) {
    (field(fields), ...);
  }
  void origin(Index at) {
    if (origins_) field(at);
  }
  void origins(const std::vector<Origin>& all) {
    if (origins_) field(all);
  }

 private:
  void field(bool v) { out_.boolean(v); }
  void field(std::uint32_t v) { out_.uint(v); }
  void field(double v) { out_.real(v); }
  void field(const std::string& v) { out_.text(v); }
  void field(Duration v) { out_.sint(v.ms); }
  void field(const std::optional<Instant>& v) {
    out_.boolean(v.has_value());
    if (v) out_.sint(v->ms);
  }
  void field(const Shape& v) { write(out_, v); }
  void field(const Rational& v) {
    for (const Int128 part : {v.num(), v.den()}) {
      out_.sint(static_cast<std::int64_t>(part >> 64));
      out_.uint(static_cast<std::uint64_t>(part));
    }
  }
  void field(const std::optional<Semantics>& v) { out_.u8(v ? static_cast<std::uint8_t>(*v) : 0); }
  template <class T>
  void field(const std::vector<T>& items) {
    out_.uint(items.size());
    for (const T& item : items) field(item);
  }
  template <class T>
  void field(const T& item) {
    if constexpr (std::is_enum_v<T>) {
      out_.u8(static_cast<std::uint8_t>(item));
    } else {
      Fields<T>::visit(*this, item);
    }
  }

  ByteWriter out_;
  bool origins_;
};

class Reader {
 public:
  Reader(ByteReader& in, std::uint64_t version) : in_(in), version_(version) {}
  bool ok() const { return !bad_ && in_.ok(); }
  void expect_origins(bool origins) { origins_ = origins; }

  template <class... T>
  void operator()(T&... fields) {
    (field(fields), ...);
  }
  template <class... T>
  void since(std::uint64_t version, T&... fields) {
    if (version_ >= version) (field(fields), ...);
  }
  void origin(Index& at) {
    if (origins_) field(at);
  }
  void origins(std::vector<Origin>& all) {
    if (origins_) field(all);
  }

 private:
  void field(bool& v) { v = in_.boolean(); }
  void field(std::uint32_t& v) {
    const std::uint64_t wide = in_.uint();
    bad_ = bad_ || wide > std::numeric_limits<std::uint32_t>::max();
    v = static_cast<std::uint32_t>(wide);
  }
  void field(double& v) { v = in_.real(); }
  void field(std::string& v) { v = in_.text(); }
  void field(Duration& v) { v.ms = in_.sint(); }
  void field(std::optional<Instant>& v) {
    if (in_.boolean()) v = Instant{in_.sint()};
  }
  void field(Shape& v) {
    v = read_shape(in_);
    bad_ = bad_ || !well_formed(v);
  }
  void field(Rational& v) {
    const Int128 num = wide_integer();
    const Int128 den = wide_integer();
    const auto made = Rational::make(num, den);
    bad_ = bad_ || !made;
    if (made) v = *made;
  }
  Int128 wide_integer() {
    const std::int64_t high = in_.sint();
    return static_cast<Int128>(high) * (static_cast<Int128>(1) << 64) + static_cast<Int128>(in_.uint());
  }
  void field(std::optional<Semantics>& v) {
    const std::uint8_t read = in_.u8();
    if (read == 0) return;
    v = static_cast<Semantics>(read);
    bad_ = bad_ || (*v != Semantics::prometheus2 && *v != Semantics::prometheus3);
  }
  template <class T>
  void field(std::vector<T>& items) {
    const std::uint64_t count = in_.count();
    for (std::uint64_t i = 0; i < count && ok(); ++i) field(items.emplace_back());
  }
  template <class T>
  void field(T& item) {
    if constexpr (std::is_enum_v<T>) {
      const std::uint8_t read = in_.u8();
      bad_ = bad_ || read > static_cast<std::uint8_t>(last_of<T>);
      item = static_cast<T>(read);
    } else {
      Fields<T>::visit(*this, item);
    }
  }

  ByteReader& in_;
  std::uint64_t version_;
  bool origins_ = false;
  bool bad_ = false;
};

Error malformed(std::string_view why) {
  return {ErrorCode::malformed, fmt::format("these bytes are not a plan: {}", why)};
}

}  // namespace

std::string to_bytes(const Plan& plan, bool origins) {
  Writer out(origins);
  for (const char c : magic) out.raw().u8(static_cast<std::uint8_t>(c));
  out.raw().uint(format_version);
  out(origins, plan);
  return std::move(out).bytes();
}

Result<Plan> from_bytes(std::string_view bytes) {
  if (!bytes.starts_with(magic)) return malformed("they do not start as one");
  ByteReader in(bytes.substr(magic.size()));
  const std::uint64_t version = in.uint();
  if (!in.ok() || version == 0) return malformed("they have no version");
  if (version > format_version) {
    return Error{
        ErrorCode::unsupported,
        fmt::format("the plan has format {}, and this version reads up to {}", version, format_version),
        "compile the program again, or run it with the newer version"};
  }
  const bool origins = in.boolean();
  Reader reader(in, version);
  reader.expect_origins(origins);
  Plan plan;
  reader(plan);
  if (!reader.ok()) return malformed("they end early, or hold what no field can hold");
  if (!in.done()) return malformed("something follows its end");
  if (const auto fault = find_fault(plan)) return malformed(*fault);
  // One plan has one encoding: a digest of bytes is then a digest of the plan.
  if (version == format_version && to_bytes(plan, origins) != bytes)
    return malformed("they are not in the canonical form");
  return plan;
}

std::string digest(const Plan& plan) {
  return sha256_hex(to_bytes(plan, false));
}

std::string to_bytes(const Node& node) {
  Writer out(false);
  out(node);
  return std::move(out).bytes();
}

std::string to_bytes(const Leaf& leaf) {
  Writer out(false);
  out(leaf);
  return std::move(out).bytes();
}

bool Node::same_as(const Node& other) const {
  if (kind != other.kind || index != other.index || inputs != other.inputs) return false;
  return to_bytes(*this) == to_bytes(other);
}

}  // namespace signalbox::plan
