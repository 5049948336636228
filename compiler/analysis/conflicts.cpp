#include <fmt/format.h>

#include <array>

#include "compiler/analysis/checker.hpp"
#include "compiler/analysis/detection.hpp"

namespace signalbox::analysis {

using plan::Index;
using source::Code;

namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 32> opposites = {{
    {"up", "down"},
    {"start", "stop"},
    {"enable", "disable"},
    {"open", "close"},
    {"in", "out"},
    {"increase", "decrease"},
    {"drain", "undrain"},
    {"rollback", "promote"},
    {"pause", "resume"},
    {"on", "off"},
    {"grow", "shrink"},
    {"expand", "shrink"},
    {"add", "remove"},
    {"lock", "unlock"},
    {"block", "unblock"},
    {"allow", "deny"},
    {"raise", "lower"},
    {"promote", "demote"},
    {"rollback", "rollforward"},
    {"attach", "detach"},
    {"back", "forward"},
    {"cordon", "uncordon"},
    {"mute", "unmute"},
    {"activate", "deactivate"},
    {"join", "leave"},
    {"create", "delete"},
    {"freeze", "unfreeze"},
    {"freeze", "thaw"},
    {"suspend", "resume"},
    {"throttle", "unthrottle"},
    {"connect", "disconnect"},
    {"begin", "end"},
}};

std::vector<std::string> words_of(const std::string& name) {
  std::vector<std::string> words(1);
  for (const char c : name) {
    if (c == '_' || c == '-' || c == '.') {
      words.emplace_back();
    } else {
      words.back() += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
  // One act in two words: `roll_back` is `rollback`.
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    if (words[i] != "roll" || (words[i + 1] != "back" && words[i + 1] != "forward")) continue;
    words[i] += words[i + 1];
    words.erase(words.begin() + static_cast<std::ptrdiff_t>(i) + 1);
  }
  return words;
}

bool opposite_words(std::string_view a, std::string_view b) {
  for (const auto& [x, y] : opposites)
    if ((a == x && b == y) || (a == y && b == x)) return true;
  return false;
}

const std::string* action_of(const plan::Plan& plan, const plan::Policy& policy) {
  if (policy.mode != plan::Mode::act || policy.target == plan::none || policy.action == plan::none)
    return nullptr;
  return &plan.targets[policy.target].actions[policy.action].name;
}

void check_opposing(Checker& c) {
  // The first policy behind each action of a target: one pair of them shows the conflict.
  std::map<Index, std::map<std::string, Index>> by_target;
  for (Index i = 0; i < c.plan.policies.size(); ++i)
    if (const std::string* action = action_of(c.plan, c.plan.policies[i]))
      by_target[c.plan.policies[i].target].emplace(*action, i);
  for (const auto& [target, actions] : by_target) {
    for (auto a = actions.begin(); a != actions.end(); ++a) {
      for (auto b = std::next(a); b != actions.end(); ++b) {
        if (!opposite_names(a->first, b->first)) continue;
        const auto [earlier, later] = a->second < b->second ? std::pair(a, b) : std::pair(b, a);
        c.diagnostics
            .report(Code::opposing_policies, c.places.policies[later->second].name,
                    fmt::format(
                        "`{}` does {} and `{}` does {}, both on `{}`: each can undo the other without end",
                        c.plan.policies[earlier->second].name, earlier->first,
                        c.plan.policies[later->second].name, later->first, c.plan.targets[target].name),
                    "let one of them act and the other only tell: mode observe")
            .notes.push_back({c.places.policies[earlier->second].name, "the other one"});
      }
    }
  }
}

void check_deferrals(Checker& c) {
  for (Index s = 0; s < c.plan.slos.size(); ++s) {
    const plan::Slo& slo = c.plan.slos[s];
    for (std::size_t d = 0; d < slo.defer.size(); ++d) {
      const plan::DeferRule& rule = slo.defer[d];
      const plan::Policy& policy = c.plan.policies[rule.policy];
      if (policy.when == plan::none) continue;
      // A tick beyond the quickest decision: which of two ticks a sample falls into is chance.
      const Duration decide = policy_times(c.facts, rule.policy).least + c.plan.tick;
      const Duration needed = decide + policy.verify.within;
      if (rule.at_most >= needed) continue;
      c.diagnostics.report(Code::defer_too_short, c.places.slos[s].defers[d],
                           fmt::format("after {} this pages although `{}` may still succeed: it takes up to "
                                       "{} to decide and {} to verify",
                                       to_string(rule.at_most), policy.name, to_string(decide),
                                       to_string(policy.verify.within)),
                           fmt::format("at most {} or more", to_string(needed)));
    }
  }
}

}  // namespace

bool opposite_names(const std::string& a, const std::string& b) {
  const std::vector<std::string> x = words_of(a), y = words_of(b);
  if (x.size() != y.size()) return false;
  int opposed = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (x[i] == y[i]) continue;
    if (!opposite_words(x[i], y[i])) return false;
    ++opposed;
  }
  return opposed == 1;
}

void check_conflicts(Checker& checker) {
  check_opposing(checker);
  check_deferrals(checker);
}

}  // namespace signalbox::analysis
