// What targets show: deploys of others, and effects of ours.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "runtime/base/digest.hpp"
#include "runtime/decide/decide.hpp"

namespace signalbox::decide {
namespace {

constexpr std::size_t versions_kept = 16;

}  // namespace

Duration spans_kept(const plan::Plan& plan) {
  Duration longest;
  for (const plan::Leaf& leaf : plan.leaves)
    if (leaf.window.kind == plan::WindowKind::before) longest = std::max(longest, leaf.window.length);
  return longest + hours(1);
}

void Decider::say(std::string kind, const std::string& declaration, const Labels& labels,
                  std::string severity, const std::string& id, std::string why) {
  out_.events.push_back(
      {now_, std::move(kind), declaration, labels, std::move(severity), id, std::move(why)});
}

void Decider::tell(plan::Index receiver, std::string kind, const std::string& declaration,
                   const Labels& labels, const std::string& episode, std::string summary,
                   const std::string& runbook) {
  Message m;
  m.receiver = receiver;
  m.receiver_name = receiver == plan::none ? "" : plan_.receivers[receiver].name;
  m.kind = std::move(kind);
  m.declaration = declaration;
  m.labels = labels;
  m.summary = std::move(summary);
  m.runbook = runbook;
  m.episode = episode;
  m.time = now_;
  // From all that it says: receivers tell repetitions apart by it, and two messages of one moment are two.
  ByteWriter says;
  for (const std::string& part :
       {m.declaration, m.kind, m.receiver_name, to_string(m.labels), m.episode, m.summary})
    says.text(part);
  says.sint(now_.ms);
  m.id = sha256_hex(says.bytes()).substr(0, 16);
  if (receiver == plan::none) return;
  out_.touched.messages.insert(m.id);
  out_.state.messages[m.id] = m;
}

void Decider::say_unwatched(const std::string& declaration, std::uint32_t most, std::uint64_t unwatched) {
  const auto before = out_.state.unwatched.find(declaration);
  if (unwatched == (before == out_.state.unwatched.end() ? 0 : before->second)) return;
  if (unwatched == 0)
    out_.state.unwatched.erase(before);
  else
    out_.state.unwatched[declaration] = unwatched;
  say("limit", declaration, {}, "", "",
      unwatched == 0 ? "every instance is watched again"
                     : fmt::format("{} instances are not watched: there are more than {}", unwatched, most));
}

void Decider::observe_targets(const std::function<std::optional<double>(plan::Index node)>& scalar) {
  const Duration kept = spans_kept(plan_);
  for (plan::Index i = 0; i < plan_.targets.size(); ++i) {
    const plan::Target& target = plan_.targets[i];
    TargetState& t = out_.state.targets[target.name];
    const std::optional<std::string>& read = observed_.versions[i];
    if (read && *read != t.version) {
      t.version = *read;
      t.versions.erase(std::remove(t.versions.begin(), t.versions.end(), *read), t.versions.end());
      t.versions.push_back(*read);
      if (t.versions.size() > versions_kept) t.versions.erase(t.versions.begin());
    }
    std::erase_if(t.episodes, [&](const auto& span) { return now_ - span.second > kept; });
    if (t.own && now_ > t.own->deadline && !executing_on(i)) t.own.reset();
    if (target.deployed == plan::none) continue;
    const std::optional<double> value = scalar(target.deployed);
    if (!value || !std::isfinite(*value)) continue;
    const auto ms = seconds_to_ms(*value);
    if (!ms || Instant{*ms} > now_) continue;  // later than the scrape that shows it: not believed
    if (t.deployed_value && *value <= *t.deployed_value) {
      t.deployed_value = *value;  // a lower value is a restored clock or another replica, never a deploy
      continue;
    }
    const bool first_sight = !t.deployed_value;
    if (!first_sight && t.own && !t.own->seen) {
      // Whose change it is can be told only by what runs now; without an answer the change waits.
      if (!target.version_url.empty() && !read) continue;
      if (target.version_url.empty() || *read == t.own->asked_version) {
        t.own->seen = true;
        t.deployed_value = *value;
        continue;
      }
    }
    t.deployed_value = *value;
    t.deploy = Instant{*ms};
    say("deployed", target.name, {}, "", "",
        fmt::format("{} was deployed at {}{}", target.name, to_rfc3339(*t.deploy),
                    t.version.empty() ? "" : ", version " + t.version));
    if (!first_sight) foreign_deploy(i);
  }
}

// While the answer is out, however late it comes, what the target shows may be ours.
bool Decider::executing_on(plan::Index target) const {
  return std::any_of(out_.state.policies.begin(), out_.state.policies.end(), [&](const auto& entry) {
    const PolicyState& p = entry.second;
    return p.episode && p.episode->state == EpisodeState::executing && acts_on(entry.first.first, target);
  });
}

std::vector<eval::Anchors::Deploy> Decider::deploys() const {
  std::vector<eval::Anchors::Deploy> out;
  for (const plan::Target& target : plan_.targets) {
    eval::Anchors::Deploy d;
    const auto it = out_.state.targets.find(target.name);
    if (it != out_.state.targets.end()) {
      d.at = it->second.deploy;
      d.excluded = it->second.episodes;
    }
    out.push_back(std::move(d));
  }
  return out;
}

// A deploy of somebody else's while we act or look whether it helped: what we know is about another version.
void Decider::foreign_deploy(plan::Index target) {
  for (plan::Index p = 0; p < plan_.policies.size(); ++p) {
    if (plan_.policies[p].target != target && plan_.policies[p].anchor != target) continue;
    for (auto& [key, state] : out_.state.policies) {
      if (key.first != plan_.policies[p].name || !state.episode || is_outcome(state.episode->state)) continue;
      if (state.episode->state == EpisodeState::refused)
        end(p, state, EpisodeState::lapsed, "a newer deploy came");
      else
        end(p, state, EpisodeState::superseded,
            "somebody deployed while the action was under way or being verified");
    }
  }
}

}  // namespace signalbox::decide
