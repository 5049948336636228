// signalbox tune FILE --data … --truth …: a grid of thresholds, each replayed over one history and held
// against the labelled incidents in it.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "cli/commands.hpp"
#include "cli/comparison.hpp"
#include "cli/history_replay.hpp"
#include "cli/output.hpp"
#include "cli/sink.hpp"
#include "cli/table.hpp"
#include "cli/tune_svg.hpp"
#include "cli/variants.hpp"
#include "cli/vary.hpp"

namespace signalbox::cli {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t most_rows = 100;
constexpr std::size_t most_refusals = 10;

struct Candidate {
  std::string name;  // "as written", or its changes
  std::optional<plan::Plan> plan;
  std::string refusal;  // where there is no plan: what the compiler says
  bool replayed = false, front = false;
  score::Told told;
  score::Score score;
  std::size_t not_found() const { return score.masked + score.missed; }
};

// What is varied when nothing is named: all burn rows together, and how long conditions are held.
Result<std::vector<Dimension>> usual_grid(const lower::Compiled& program) {
  std::vector<Dimension> out;
  const auto any = [&](const auto& ask) {
    return std::any_of(program.changeable.begin(), program.changeable.end(), ask);
  };
  if (any([](const auto& c) { return c.key.starts_with("burn."); }))
    out.push_back({"burn", {"0.25x", "0.35x", "0.5x", "0.7x", "1x", "1.4x", "2x", "2.8x", "4x"}});
  if (any([](const auto& c) { return c.hold && c.key == "for"; }))
    out.push_back({"for", {"1 ticks", "2 ticks", "3 ticks", "5 ticks", "8 ticks"}});
  if (!out.empty()) return out;
  std::string names;
  for (const auto& c : program.changeable)
    names += fmt::format("{}{}.{}", names.empty() ? "" : ", ", c.declaration, c.key);
  return Error{ErrorCode::invalid_argument,
               "the program has no burn row and no hold that would be varied unasked",
               names.empty() ? "it has nothing that can be varied"
                             : fmt::format("name what is: --vary KEY=LOW..HIGH; there is: {}", names)};
}

Result<std::vector<std::string>> names_of_grid(const TuneOptions& options, const lower::Compiled& program) {
  const std::size_t most = Limits{}.tune_candidates;
  std::vector<Dimension> dimensions;
  for (const std::string& vary : options.vary) {
    auto one = read_dimension(vary, most);
    if (!one) return one.error();
    dimensions.push_back(std::move(*one));
  }
  if (dimensions.empty()) {
    auto usual = usual_grid(program);
    if (!usual) return usual.error();
    dimensions = std::move(*usual);
  }
  return grid_of(dimensions, most);
}

// A key that names nothing, or one that two dimensions share, is no candidate's fault.
bool is_usage(const lower::Compiled& compiled) {
  const auto& all = compiled.diagnostics.all();
  return std::any_of(all.begin(), all.end(), [&](const source::Diagnostic& d) {
    return (d.code == source::Code::unknown_name || d.code == source::Code::duplicate_clause ||
            d.code == source::Code::bad_param) &&
           (compiled.sources[d.span.file].name() == "--vary" || d.code == source::Code::bad_param);
  });
}

// The program as written and the grid; nothing after an error, which was said.
std::optional<std::vector<Candidate>> make_candidates(const TuneOptions& options) {
  const ProgramTexts texts = read_programs({options.file});
  lower::Compiled written = compile_texts(texts, options.params);
  print_diagnostics(written);
  if (!written.plan) return std::nullopt;
  const auto names = names_of_grid(options, written);
  if (!names) {
    say(names.error());
    return std::nullopt;
  }
  std::vector<Candidate> out(1);
  out[0].name = "as written";
  std::string first_refusal;
  bool any = false;
  for (const std::string& name : *names) {
    lower::Compiled compiled = compile_variant(texts, options.params, read_changes("--vary", name));
    if (!compiled.plan && is_usage(compiled)) {
      tell("{}", new_diagnostics(compiled, written));
      return std::nullopt;
    }
    Candidate& candidate = out.emplace_back();
    candidate.name = name;
    candidate.plan = std::move(compiled.plan);
    any = any || candidate.plan;
    if (candidate.plan) continue;
    if (first_refusal.empty()) first_refusal = new_diagnostics(compiled, written);
    for (const source::Diagnostic& d : compiled.diagnostics.all())
      if (d.level() == source::Level::error && candidate.refusal.empty())
        candidate.refusal = fmt::format("{} [{}]", d.message, source::code_name(d.code));
  }
  if (!any) {
    tell("{}signalbox: the compiler refuses every candidate\n", first_refusal);
    return std::nullopt;
  }
  out[0].plan = std::move(written.plan);
  return out;
}

void find_front(std::vector<Candidate>& candidates) {
  std::vector<score::Weighed> weighed;
  for (const Candidate& c : candidates)
    if (c.replayed)
      weighed.push_back({c.score.false_alarms, c.not_found(), c.score.mean_unfound.value_or(Duration{})});
  const std::vector<bool> front = score::front(weighed);
  std::size_t next = 0;
  for (Candidate& c : candidates)
    if (c.replayed) c.front = front[next++];
}

std::string table_of(const std::vector<Candidate>& candidates, bool front_only) {
  std::vector<TableRow> rows = {{"", "pages", "tickets", "actions", "found", "not found", "false alarms",
                                 "delay, median", "unfound, mean"}};
  const auto duration = [](const std::optional<Duration>& d) {
    return d ? seconds_text(*d) : std::string("–");
  };
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const Candidate& c = candidates[i];
    if (!c.replayed || (front_only && !c.front && i > 0)) continue;
    rows.push_back({fmt::format("{} {}", c.front ? "*" : " ", c.name), std::to_string(c.told.pages),
                    std::to_string(c.told.tickets), std::to_string(c.told.actions),
                    std::to_string(c.score.found), std::to_string(c.not_found()),
                    std::to_string(c.score.false_alarms), duration(c.score.median_delay),
                    duration(c.score.mean_unfound)});
  }
  return table_text(rows);
}

ordered_json candidate_json(const Candidate& c, bool as_written, const Truth& truth) {
  ordered_json out = {{"candidate", as_written ? ordered_json(nullptr) : ordered_json(c.name)}};
  if (!c.plan) {
    out["refused"] = c.refusal;
    return out;
  }
  out["digest"] = plan::digest(*c.plan);
  out["replayed"] = c.replayed;
  if (!c.replayed) return out;
  out["front"] = c.front;
  out["told"] = told_json(c.told);
  out["score"] = score_json(c.score, truth);
  // Incident by incident is what `replay --what-if` answers.
  out["score"].erase("findings");
  return out;
}

// A picture in the place of something that is read would be the end of it.
std::optional<Error> read_as_well(const TuneOptions& options) {
  for (const std::string* read : {&options.file, &options.data, &options.truth.file})
    if (same_file(options.svg, *read))
      return Error{ErrorCode::invalid_argument, fmt::format("--svg names {}, which is read", *read),
                   "write another name"};
  return std::nullopt;
}

}  // namespace

int run_tune(const TuneOptions& options) {
  auto candidates = make_candidates(options);
  if (!candidates) return exit_program;
  const auto incidents = load_truth(options.truth);
  if (!incidents) {
    say(incidents.error());
    return exit_program;
  }
  const Truth truth{**incidents, options.truth.grace_or_default()};
  watch_for_interrupt();  // what was tried until then is shown
  // A name that is wrong is found out before the work.
  Sink picture;
  if (!options.svg.empty()) {
    std::optional<Error> wrong = read_as_well(options);
    if (!wrong)
      if (const auto opened = picture.open(options.svg); !opened) wrong = opened.error();
    if (wrong) {
      say(*wrong);
      return exit_program;
    }
  }
  std::vector<const plan::Plan*> plans;
  std::vector<std::size_t> of_plan;
  for (std::size_t i = 0; i < candidates->size(); ++i) {
    if (!(*candidates)[i].plan) continue;
    plans.push_back(&*(*candidates)[i].plan);
    of_plan.push_back(i);
  }
  store::SeriesStore store{Limits{}};
  const HistoryRequest request = request_of(options);
  int code = exit_ok;
  const auto data = load_replay_data(plans, request, store, code);
  if (!data) return code;
  if (std::none_of(truth.incidents.begin(), truth.incidents.end(), [&](const score::Incident& incident) {
        return incident.wanted && data->from <= incident.from && incident.from <= data->to;
      })) {
    say({ErrorCode::not_found,
         fmt::format("{}: no incident that is there to be found begins between {} and {}", options.truth.file,
                     to_rfc3339(data->from), to_rfc3339(data->to)),
         "without one there is nothing to weigh false alarms against"});
    return exit_no_data;
  }
  ReplayHow how{options.tier, false, fmt::format("{} candidates", plans.size()), {}};
  how.finished = [&](std::size_t index, loop::Story& story) {
    Candidate& c = (*candidates)[of_plan[index]];
    c.replayed = story.whole();
    if (c.replayed) {
      c.told = score::count_told(story.events);
      c.score = score::score(story.events, truth.incidents, {story.from, story.result.last}, truth.grace);
    }
    std::vector<decide::Event>().swap(story.events);
  };
  const std::vector<loop::Story> stories = replay_stories(plans, store, *data, how);
  find_front(*candidates);
  const auto replayed = static_cast<std::size_t>(
      std::count_if(candidates->begin(), candidates->end(), [](const Candidate& c) { return c.replayed; }));
  const bool interrupted = replayed < plans.size();
  if (interrupted) code = exit_interrupted;
  for (const Error& notice : stories[0].notices) tell("signalbox: {}\n", notice.message);
  say_last(fmt::format("tune {}  {} of {} candidates replayed, {} samples",
                       interrupted ? "interrupted" : "100%", replayed, plans.size(), data->history.samples));
  if (!options.svg.empty()) {
    std::vector<Point> points;
    for (std::size_t i = 0; i < candidates->size(); ++i) {
      const Candidate& c = (*candidates)[i];
      if (c.replayed)
        points.push_back({c.name, c.score.false_alarms, c.not_found(),
                          c.score.mean_unfound.value_or(Duration{}), c.front, i == 0});
    }
    const std::string title =
        fmt::format("{}, {} candidates{}", options.file, points.size(), interrupted ? " (interrupted)" : "");
    Result<void> written = picture.write(tune_svg(title, points));
    if (written) written = picture.close();
    if (!written) {
      say(written.error());
      code = exit_program;
    }
  }
  const plan::Plan& plan = *plans[0];
  const Instant from = grid_ceil(data->from, plan.tick, plan.phase),
                to = grid_floor(data->to, plan.tick, plan.phase);
  if (options.json) {
    ordered_json out = {{"program", options.file},
                        {"semantics", static_cast<int>(plan.semantics.value_or(data->history.semantics))},
                        {"from", to_rfc3339(from)},
                        {"to", to_rfc3339(to)},
                        {"interrupted", interrupted}};
    out["candidates"] = ordered_json::array();
    for (std::size_t i = 0; i < candidates->size(); ++i)
      out["candidates"].push_back(candidate_json((*candidates)[i], i == 0, truth));
    fmt::print("{}\n", dump(out, 2));
    return code;
  }
  const Candidate& written = (*candidates)[0];
  fmt::print(
      "{} to {}, a tick every {}.{}\n", to_rfc3339(from), to_rfc3339(to), to_string(plan.tick),
      written.replayed
          ? fmt::format(
                " {} incidents are there to be found{}.", written.score.findings.size(),
                written.score.outside > 0 ? fmt::format(", and {} begin outside", written.score.outside) : "")
          : "");
  const bool front_only = replayed > most_rows;
  fmt::print("\n{}", table_of(*candidates, front_only));
  fmt::print(
      "* no other is as good in false alarms, incidents found and mean time unfound, and better in one{}\n",
      front_only ? fmt::format("; all {} are in the answer of --json", replayed) : "");
  std::size_t refused = 0;
  for (const Candidate& c : *candidates) {
    if (c.plan) continue;
    if (++refused <= most_refusals) fmt::print("refused: {}: {}\n", c.name, c.refusal);
  }
  if (refused > most_refusals)
    fmt::print("and {} more are refused: --json has them\n", refused - most_refusals);
  if (interrupted)
    fmt::print("Interrupted: {} of {} candidates were replayed. The front is that of these.\n", replayed,
               plans.size());
  return code;
}

}  // namespace signalbox::cli
