// What decisions remember between ticks, and its bytes in the transaction store. Everything is a value:
// deciding takes the state before and gives the state after.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/bytes.hpp"
#include "runtime/base/labels.hpp"
#include "runtime/base/result.hpp"
#include "runtime/base/time.hpp"
#include "runtime/plan/plan.hpp"

namespace signalbox::decide {

// An effect of ours on a target that the target has not shown yet: its `deployed` will move because of us.
struct OwnEffect {
  std::string asked_version;  // "" when the target cannot be asked
  Instant intended, deadline;
  bool seen = false;
};

struct TargetState {
  std::optional<Instant> deploy;         // of the latest foreign deploy
  std::optional<double> deployed_value;  // last value of the deployed metric
  std::string version;                   // last one read; "" before the first
  std::vector<std::string>
      versions;                    // distinct ones in order of appearance, the current one last, at most 16
  std::set<std::string> rejected;  // versions that an action of ours went away from
  std::optional<OwnEffect> own;
  std::vector<std::pair<Instant, Instant>> episodes;  // anchor to outcome, for windows `before`
};

// proposed → guarded → executing → verifying → verified | unverified | not_helped | superseded → escalated
enum class EpisodeState : std::uint8_t {
  refused,    // proposed, and a guard said no: looked at again while `when` holds
  executing,  // the intent is durable; the call may be under way
  verifying,
  verified,
  unverified,
  not_helped,
  superseded,
  failed,  // the action did not happen, or nobody knows whether it did
  lapsed,  // refused until its reason to act was gone
};
const char* episode_state_name(EpisodeState state);
bool is_outcome(EpisodeState state);

// The plan of one effect, made absolute, durable before the call.
struct Intent {
  std::string key;  // idempotency key; the same for every attempt
  Instant written;
  std::string from_version, to_version;
  std::string body;  // as it goes out
  std::uint32_t attempts = 0;
  bool answered = false;    // the target said yes; `done` may still wait for its version
  std::string last_answer;  // why it is not known to have happened; "" before anything came back
};

struct Episode {
  std::string id;  // from policy, target, instance and anchor (or first tick)
  std::optional<Instant> anchor;
  Instant started;
  EpisodeState state = EpisodeState::refused;
  std::string reason;             // of a refusal or an outcome
  std::vector<Labels> satisfied;  // rows of `when` that were true
  std::optional<Intent> intent;
  std::uint32_t effects = 0;
  std::optional<Instant> done, ended;
  bool seen_known = false;  // a verify tick was known
};

struct PolicyState {  // of one instance of a policy
  Labels instance;
  std::optional<Episode> episode;  // the live or the last one
  std::vector<Instant> effects;    // when effects were started, within limit_per
  std::optional<Instant> cooldown_until;
  std::uint32_t unknown_ticks = 0;  // without data, in a row; see unknown_until_missing
  bool missing_told = false;
  Duration clear_for;  // how long `until` or not-`when` has held
};

struct RowState {
  bool active = false;  // true at the last known tick
  bool told = false;    // its page or ticket went out
  bool deferred = false;
  bool clipped = false;  // judged since `done` until it has been false once
  Instant since, clip_from;
  bool operator==(const RowState&) const = default;
};
struct SloState {  // of one instance of an SLO
  Labels instance;
  std::vector<RowState> rows;
  std::optional<Instant> missing_since;
  bool missing_told = false;
  bool missing_page = false;  // whether it was told as a page
};

// A message to a receiver, kept until the receiver has it.
struct Message {
  std::string id;
  plan::Index receiver = plan::none;  // plan::none: the log alone
  std::string receiver_name;          // what survives a reload
  std::string kind;                   // page, ticket, resolved
  std::string declaration;
  Labels labels;
  std::string summary, runbook, episode;
  Instant time;
  std::uint32_t attempts = 0;
  Instant not_before;
};

struct State {
  std::map<std::string, TargetState> targets;                      // by name
  std::map<std::pair<std::string, Labels>, PolicyState> policies;  // by name and instance
  std::map<std::pair<std::string, Labels>, SloState> slos;
  std::map<std::string, Message> messages;         // by id
  std::vector<Instant> actions;                    // of the last hour, over all targets
  std::map<std::string, std::uint64_t> unwatched;  // instances past `max`, by declaration
  std::uint64_t next_record = 1;
};

// Instances and messages that a decision may have changed, added or removed. There are as many as the world
// has; those of all other tables are few.
struct Touched {
  std::set<std::pair<std::string, Labels>> slos;
  std::set<std::string> messages;
};

// One store entry per declaration instance, so that a decision's transaction holds what it changed and no
// more.
std::map<std::string, std::string> to_entries(const State& state);
// What may have changed: every entry of the small tables, and what was touched of the others; without a value
// where it is gone. What a small table has lost is not said.
std::map<std::string, std::optional<std::string>> touched_entries(const State& state, const Touched& touched);
// A copy of all but what there are many of.
State small_tables(const State& state);
// Whether the entry `key` is of a small table.
bool of_small_table(std::string_view key);
// Errors: `malformed` names the key; `unsupported` for entries of a newer version.
Result<State> from_entries(const std::map<std::string, std::string>& entries);

std::string episode_id(const std::string& policy, const std::string& target, const Labels& instance,
                       Instant anchor);

}  // namespace signalbox::decide
