// Which lets name which, by their text alone: also what is never used must not be defined by itself.
#include <fmt/format.h>

#include <algorithm>

#include "compiler/sema/scope.hpp"

namespace signalbox::sema {
namespace {

using source::Code;
using syntax::ExprKind;
using syntax::ExprPtr;
using syntax::Let;

using Names = std::map<std::string, const Let*>;

class LetGraph {
 public:
  LetGraph(const Names& lets, Scope& scope, source::Diagnostics& diagnostics)
      : lets_(lets), scope_(scope), diagnostics_(diagnostics) {}

  // Depth first without recursion: a chain of lets may be as long as the text.
  void check() {
    std::vector<const Let*> order;
    for (const auto& [name, let] : lets_) order.push_back(let);
    std::sort(order.begin(), order.end(), before);
    for (const Let* let : order) {
      enter(let);
      while (!way_.empty()) {
        Step& step = way_.back();
        if (step.next == step.names.size()) {
          open_.erase(step.let);
          way_.pop_back();
        } else {
          enter(step.names[step.next++]);
        }
      }
    }
  }

 private:
  struct Step {
    const Let* let;
    std::vector<const Let*> names;  // in its definition
    std::size_t next = 0;
  };

  static bool before(const Let* a, const Let* b) {
    return std::pair(a->name.span.file, a->name.span.begin) <
           std::pair(b->name.span.file, b->name.span.begin);
  }

  void enter(const Let* let) {
    if (open_.count(let) != 0) return report(let);
    if (!seen_.insert(let).second) return;
    Step step{let, {}};
    collect(let->value, *let, step.names);
    for (const Let* named : step.names) scope_.named_by_lets.insert(named);
    open_.insert(let);
    way_.push_back(std::move(step));
  }

  void report(const Let* let) {
    std::vector<const Let*> circle;
    for (auto step = way_.rbegin(); circle.empty() || circle.back() != let; ++step)
      circle.push_back(step->let);
    bool said = false;
    for (const Let* one : circle) said = !scope_.recursive_lets.insert(one).second || said;
    if (said) return;
    std::sort(circle.begin(), circle.end(), before);
    auto& d = diagnostics_.report(Code::cyclic_let, circle[0]->name.span,
                                  fmt::format("`{}` is defined by itself", circle[0]->name.text),
                                  "the language has no recursion: define it from something else");
    for (std::size_t i = 1; i < circle.size(); ++i)
      d.notes.push_back({circle[i]->name.span, fmt::format("by way of `{}`", circle[i]->name.text)});
  }

  void name(const std::string& text, const Let& inside, std::vector<const Let*>& out) const {
    for (const syntax::Name& param : inside.params)
      if (param.text == text) return;
    if (const auto let = lets_.find(text); let != lets_.end()) out.push_back(let->second);
  }

  void collect(const ExprPtr& e, const Let& inside, std::vector<const Let*>& out) const {
    if (e == nullptr) return;
    if (e->kind == ExprKind::reference) name(e->text, inside, out);
    if (e->kind == ExprKind::call)
      if (const auto let = lets_.find(e->text); let != lets_.end()) out.push_back(let->second);
    for (const syntax::MatcherNode& m : e->matchers)
      if (m.name) name(m.name->text, inside, out);
    for (const ExprPtr& arg : e->args) collect(arg, inside, out);
    collect(e->hold.amount, inside, out);
    collect(e->hold.of, inside, out);
    collect(e->hold.unknown_at_most, inside, out);
  }

  const Names& lets_;
  Scope& scope_;
  source::Diagnostics& diagnostics_;
  std::vector<Step> way_;
  std::set<const Let*> open_, seen_;
};

}  // namespace

void find_recursion(Scope& scope, source::Diagnostics& diagnostics) {
  for (const Names& lets : scope.lets) LetGraph(lets, scope, diagnostics).check();
}

}  // namespace signalbox::sema
