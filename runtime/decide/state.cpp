#include "runtime/decide/state.hpp"

#include <fmt/format.h>

#include "runtime/base/digest.hpp"

namespace signalbox::decide {
namespace {

// 2: SloState::missing_page, Intent::last_answer.
constexpr std::uint8_t state_version = 2;

// One list of fields per struct serves reading and writing.
struct Out {
  ByteWriter& w;
  std::uint8_t version = state_version;
  void operator()(std::string& s) { w.text(s); }
  void operator()(bool& v) { w.boolean(v); }
  void operator()(std::uint32_t& v) { w.uint(v); }
  void operator()(std::uint64_t& v) { w.uint(v); }
  void operator()(double& v) { w.real(v); }
  void operator()(Instant& v) { w.sint(v.ms); }
  void operator()(Duration& v) { w.sint(v.ms); }
  void operator()(EpisodeState& v) { w.u8(static_cast<std::uint8_t>(v)); }
  void operator()(Labels& v) {
    w.uint(v.size());
    for (const auto& [name, value] : v.pairs()) {
      w.text(name);
      w.text(value);
    }
  }
  void operator()(std::set<std::string>& v) {
    w.uint(v.size());
    for (const std::string& s : v) w.text(s);
  }
  template <class T>
  void operator()(std::optional<T>& v) {
    w.boolean(v.has_value());
    if (v) (*this)(*v);
  }
  template <class T>
  void operator()(std::vector<T>& v) {
    w.uint(v.size());
    for (T& x : v) (*this)(x);
  }
  template <class A, class B>
  void operator()(std::pair<A, B>& v) {
    (*this)(v.first);
    (*this)(v.second);
  }
  template <class T>
  void operator()(T& v) {
    fields(v, *this);
  }
};

struct In {
  ByteReader& r;
  std::uint8_t version;  // that the bytes were written in
  void operator()(std::string& s) { s = r.text(); }
  void operator()(bool& v) { v = r.boolean(); }
  void operator()(std::uint32_t& v) { v = static_cast<std::uint32_t>(r.uint()); }
  void operator()(std::uint64_t& v) { v = r.uint(); }
  void operator()(double& v) { v = r.real(); }
  void operator()(Instant& v) { v.ms = r.sint(); }
  void operator()(Duration& v) { v.ms = r.sint(); }
  void operator()(EpisodeState& v) {
    v = static_cast<EpisodeState>(
        std::min<std::uint8_t>(r.u8(), static_cast<std::uint8_t>(EpisodeState::lapsed)));
  }
  void operator()(Labels& v) {
    std::vector<Labels::Pair> pairs(r.count());
    for (auto& [name, value] : pairs) {
      name = r.text();
      value = r.text();
    }
    v = Labels(std::move(pairs));
  }
  void operator()(std::set<std::string>& v) {
    for (std::uint64_t n = r.count(); n > 0 && r.ok(); --n) v.insert(r.text());
  }
  template <class T>
  void operator()(std::optional<T>& v) {
    v.reset();
    if (r.boolean()) (*this)(v.emplace());
  }
  template <class T>
  void operator()(std::vector<T>& v) {
    v.resize(r.count());
    for (T& x : v) (*this)(x);
  }
  template <class A, class B>
  void operator()(std::pair<A, B>& v) {
    (*this)(v.first);
    (*this)(v.second);
  }
  template <class T>
  void operator()(T& v) {
    fields(v, *this);
  }
};

template <class F>
void fields(OwnEffect& v, F& f) {
  f(v.asked_version), f(v.intended), f(v.deadline), f(v.seen);
}
template <class F>
void fields(TargetState& v, F& f) {
  f(v.deploy), f(v.deployed_value), f(v.version), f(v.versions), f(v.rejected), f(v.own), f(v.episodes);
}
template <class F>
void fields(Intent& v, F& f) {
  f(v.key), f(v.written), f(v.from_version), f(v.to_version), f(v.body), f(v.attempts), f(v.answered);
  if (f.version >= 2) f(v.last_answer);
}
template <class F>
void fields(Episode& v, F& f) {
  f(v.id), f(v.anchor), f(v.started), f(v.state), f(v.reason), f(v.satisfied), f(v.intent), f(v.effects),
      f(v.done), f(v.ended), f(v.seen_known);
}
template <class F>
void fields(PolicyState& v, F& f) {
  f(v.instance), f(v.episode), f(v.effects), f(v.cooldown_until), f(v.unknown_ticks), f(v.missing_told),
      f(v.clear_for);
}
template <class F>
void fields(RowState& v, F& f) {
  f(v.active), f(v.told), f(v.deferred), f(v.clipped), f(v.since), f(v.clip_from);
}
template <class F>
void fields(SloState& v, F& f) {
  f(v.instance), f(v.rows), f(v.missing_since), f(v.missing_told);
  if (f.version >= 2) f(v.missing_page);
}
template <class F>
void fields(Message& v, F& f) {
  f(v.id), f(v.receiver_name), f(v.kind), f(v.declaration), f(v.labels), f(v.summary), f(v.runbook),
      f(v.episode), f(v.time), f(v.attempts), f(v.not_before);
}

template <class T>
std::string pack(T value) {
  ByteWriter w;
  w.u8(state_version);
  Out out{w};
  out(value);
  return std::move(w).bytes();
}

template <class T>
bool unpack(const std::string& bytes, T& value) {
  ByteReader r(bytes);
  const std::uint8_t version = r.u8();
  if (version == 0 || version > state_version) return false;
  In in{r, version};
  in(value);
  return r.done();
}

std::string instance_key(const Labels& labels) {
  return labels.empty() ? "-" : sha256_hex(to_string(labels)).substr(0, 16);
}

}  // namespace

const char* episode_state_name(EpisodeState state) {
  static constexpr const char* names[] = {"refused",    "executing",  "verifying", "verified", "unverified",
                                          "not_helped", "superseded", "failed",    "lapsed"};
  return names[static_cast<int>(state)];
}

bool is_outcome(EpisodeState state) {
  return state >= EpisodeState::verified;
}

std::string episode_id(const std::string& policy, const std::string& target, const Labels& instance,
                       Instant anchor) {
  ByteWriter w;
  w.text(policy);
  w.text(target);
  w.text(to_string(instance));
  w.sint(anchor.ms);
  return sha256_hex(w.bytes()).substr(0, 12);
}

namespace {

std::string slo_key(const std::pair<std::string, Labels>& instance) {
  return fmt::format("slo/{}/{}", instance.first, instance_key(instance.second));
}

template <class Put>
void put_small_tables(const State& state, Put put) {
  for (const auto& [name, t] : state.targets) put("target/" + name, pack(t));
  for (const auto& [key, p] : state.policies)
    put(fmt::format("policy/{}/{}", key.first, instance_key(key.second)), pack(p));
  put("engine/actions", pack(state.actions));
  if (!state.unwatched.empty())
    put("engine/unwatched", pack(std::vector<std::pair<std::string, std::uint64_t>>(state.unwatched.begin(),
                                                                                    state.unwatched.end())));
  put("engine/next", pack(state.next_record));
}

}  // namespace

std::map<std::string, std::string> to_entries(const State& state) {
  std::map<std::string, std::string> out;
  put_small_tables(state, [&](std::string key, std::string bytes) { out[key] = std::move(bytes); });
  for (const auto& [key, s] : state.slos) out[slo_key(key)] = pack(s);
  for (const auto& [id, m] : state.messages) out["message/" + id] = pack(m);
  return out;
}

std::map<std::string, std::optional<std::string>> touched_entries(const State& state,
                                                                  const Touched& touched) {
  std::map<std::string, std::optional<std::string>> out;
  put_small_tables(state, [&](std::string key, std::string bytes) { out[key] = std::move(bytes); });
  for (const auto& key : touched.slos) {
    const auto s = state.slos.find(key);
    out[slo_key(key)] = s == state.slos.end() ? std::nullopt : std::optional(pack(s->second));
  }
  for (const std::string& id : touched.messages) {
    const auto m = state.messages.find(id);
    out["message/" + id] = m == state.messages.end() ? std::nullopt : std::optional(pack(m->second));
  }
  return out;
}

State small_tables(const State& state) {
  State out;
  out.targets = state.targets;
  out.policies = state.policies;
  out.actions = state.actions;
  out.unwatched = state.unwatched;
  out.next_record = state.next_record;
  return out;
}

bool of_small_table(std::string_view key) {
  return !key.starts_with("slo/") && !key.starts_with("message/");
}

Result<State> from_entries(const std::map<std::string, std::string>& entries) {
  State state;
  for (const auto& [key, bytes] : entries) {
    const std::size_t slash = key.find('/');
    const std::string table = key.substr(0, slash);
    const std::string rest = slash == std::string::npos ? "" : key.substr(slash + 1);
    const std::string name = rest.substr(0, rest.rfind('/'));
    bool good = true;
    if (table == "target") {
      good = unpack(bytes, state.targets[rest]);
    } else if (table == "policy") {
      PolicyState p;
      good = unpack(bytes, p);
      state.policies[{name, p.instance}] = p;
    } else if (table == "slo") {
      SloState s;
      good = unpack(bytes, s);
      state.slos[{name, s.instance}] = s;
    } else if (table == "message") {
      good = unpack(bytes, state.messages[rest]);
    } else if (key == "engine/actions") {
      good = unpack(bytes, state.actions);
    } else if (key == "engine/unwatched") {
      std::vector<std::pair<std::string, std::uint64_t>> unwatched;
      good = unpack(bytes, unwatched);
      state.unwatched = {unwatched.begin(), unwatched.end()};
    } else if (key == "engine/next") {
      good = unpack(bytes, state.next_record);
    }
    if (!good) {
      const bool newer = !bytes.empty() && static_cast<std::uint8_t>(bytes[0]) > state_version;
      return Error{newer ? ErrorCode::unsupported : ErrorCode::malformed,
                   fmt::format("state entry '{}' cannot be read", key),
                   newer ? "it was written by a newer Signalbox: run that one"
                         : "restore the state directory, or start with an empty one"};
    }
  }
  return state;
}

}  // namespace signalbox::decide
