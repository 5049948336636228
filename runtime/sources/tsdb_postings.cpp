#include "runtime/sources/tsdb_postings.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <memory>

#include "runtime/formats/tsdb_index.hpp"

namespace signalbox::sources {
namespace {

namespace tsdb = formats::tsdb;

// Lists that lie near each other are read together.
constexpr std::size_t read_ahead = 64u << 10;

struct Content {
  bool operator()(const Matcher* a, const Matcher* b) const { return *a < *b; }
};

References unite(const std::vector<References>& lists) {
  References all;
  for (const References& list : lists) all.insert(all.end(), list.begin(), list.end());
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

// Those of `few` that are in `many`, or that are not.
References those_of(const References& few, const References& many, bool in) {
  References out;
  constexpr std::size_t far_more = 16;
  if (many.size() / far_more < few.size()) {
    if (in)
      std::set_intersection(few.begin(), few.end(), many.begin(), many.end(), std::back_inserter(out));
    else
      std::set_difference(few.begin(), few.end(), many.begin(), many.end(), std::back_inserter(out));
    return out;
  }
  for (const std::uint64_t one : few)
    if (std::binary_search(many.begin(), many.end(), one) == in) out.push_back(one);
  return out;
}

// The lists of a block that matchers need.
class Lists {
 public:
  Lists(const NamedFile& file, std::uint64_t size, const SelectorSet& selectors, const Limits& limits)
      : file_(file), limits_(limits), selectors_(selectors), most_(static_cast<std::size_t>(size / 4)) {
    of_.resize(selectors.asked().size());
    left_to_keep_ = most_;
  }

  // Finds where they stand.
  Result<void> find(std::uint64_t table) {
    const Result<std::string_view> bytes = read_section(window_, file_, table, limits_);
    if (!bytes) return bytes.error();
    // Entries of one name stand together.
    std::string_view name;
    const SelectorSet::OfLabel* of_name = nullptr;
    const Result<void> read = tsdb::read_postings_table(
        *bytes, [&](std::string_view entry, std::string_view value, std::uint64_t offset) {
          if (entry != name) {
            name = entry;
            of_name = selectors_.of_label(name);
          }
          if (of_name == nullptr) return;
          if (const auto exact = of_name->exact.find(value); exact != of_name->exact.end())
            for (const std::uint32_t number : exact->second) of_[number].at.push_back(offset);
          for (const std::uint32_t number : of_name->others) {
            const SelectorSet::Asked& asked = selectors_.asked()[number];
            if (asked.matcher->accepts(value) != asked.excludes) of_[number].at.push_back(offset);
          }
        });
    if (!read) return at_place(read.error(), file_.path, table);
    return {};
  }

  // All references in a matcher's lists. They are kept while there is room: many selectors share a matcher.
  Result<std::shared_ptr<const References>> references(std::uint32_t number) {
    Of& of = of_[number];
    if (of.kept) return of.kept;
    Result<References> read = united(of.at);
    if (!read) return read.error();
    auto list = std::make_shared<const References>(*std::move(read));
    if (list->size() <= left_to_keep_) {
      left_to_keep_ -= list->size();
      of.kept = list;
    }
    return list;
  }

 private:
  struct Of {
    std::vector<std::uint64_t> at;
    std::shared_ptr<const References> kept;
  };

  // A series has one value of a label: all lists of a name together have no more references than the file has
  // room for.
  Result<References> united(const std::vector<std::uint64_t>& at) {
    std::size_t room = most_;
    std::vector<References> lists(at.size());
    for (std::size_t i = 0; i < lists.size(); ++i) {
      const Result<std::string_view> bytes = read_section(window_, file_, at[i], limits_);
      if (!bytes) return bytes.error();
      if (const Result<void> read = tsdb::read_postings(*bytes, lists[i]); !read)
        return at_place(read.error(), file_.path, at[i]);
      if (lists[i].size() > room)
        return at_place({ErrorCode::malformed, "lists of postings stand one in the other"}, file_.path,
                        at[i]);
      room -= lists[i].size();
    }
    if (lists.size() == 1) return std::move(lists[0]);
    return unite(lists);
  }

  const NamedFile& file_;
  const Limits& limits_;
  const SelectorSet& selectors_;
  std::size_t most_, left_to_keep_;
  FileWindow window_;
  std::vector<Of> of_;  // by matcher
};

// What all matchers of a selector leave.
Result<References> accepted(const std::vector<std::uint32_t>& matchers, const SelectorSet& selectors,
                            Lists& lists) {
  std::vector<std::shared_ptr<const References>> narrow;
  for (const std::uint32_t number : matchers) {
    if (selectors.asked()[number].excludes) continue;
    auto list = lists.references(number);
    if (!list) return list.error();
    if ((*list)->empty()) return References{};
    narrow.push_back(*std::move(list));
  }
  // compile_selector() holds that there is one.
  if (narrow.empty()) return References{};
  std::sort(narrow.begin(), narrow.end(), [](const auto& a, const auto& b) { return a->size() < b->size(); });
  References chosen = *narrow[0];
  for (std::size_t i = 1; i < narrow.size(); ++i) chosen = those_of(chosen, *narrow[i], true);
  for (const std::uint32_t number : matchers) {
    if (chosen.empty() || !selectors.asked()[number].excludes) continue;
    const auto list = lists.references(number);
    if (!list) return list.error();
    chosen = those_of(chosen, **list, false);
  }
  return chosen;
}

}  // namespace

SelectorSet::SelectorSet(const std::vector<Selector>& selectors) {
  std::map<const Matcher*, std::uint32_t, Content> numbers;
  for (const Selector& selector : selectors) {
    std::vector<std::uint32_t>& asks = selectors_.emplace_back();
    for (const CompiledMatcher& matcher : selector) {
      const Matcher& content = matcher.matcher();
      const auto [entry, fresh] = numbers.try_emplace(&content, static_cast<std::uint32_t>(asked_.size()));
      asks.push_back(entry->second);
      if (!fresh) continue;
      asked_.push_back({&matcher, matcher.accepts("")});
      // One that has a value accepts its list alone, and one that has not refuses it alone.
      OfLabel& of_label = by_label_[content.label];
      const bool exact =
          !content.value.empty() && (content.op == MatchOp::equal || content.op == MatchOp::not_equal);
      (exact ? of_label.exact[content.value] : of_label.others).push_back(entry->second);
    }
  }
}

const SelectorSet::OfLabel* SelectorSet::of_label(std::string_view name) const {
  const auto found = by_label_.find(name);
  return found == by_label_.end() ? nullptr : &found->second;
}

Result<std::string_view> read_section(FileWindow& window, const NamedFile& file, std::uint64_t offset,
                                      const Limits& limits) {
  return read_piece(window, file, offset, tsdb::section_head_bytes, tsdb::section_size,
                    limits.tsdb_section_bytes, read_ahead);
}

Result<References> accepted_series(const NamedFile& index, std::uint64_t table, const SelectorSet& selectors,
                                   const Limits& limits) {
  const Result<std::uint64_t> size = index.file->size();
  if (!size) return size.error();
  Lists lists(index, *size, selectors, limits);
  if (const Result<void> found = lists.find(table); !found) return found.error();
  std::vector<References> all;
  for (const std::vector<std::uint32_t>& matchers : selectors.selectors()) {
    Result<References> chosen = accepted(matchers, selectors, lists);
    if (!chosen) return chosen.error();
    all.push_back(*std::move(chosen));
  }
  return unite(all);
}

}  // namespace signalbox::sources
