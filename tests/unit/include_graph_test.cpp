// The house as docs/architecture.md draws it, held against what the code includes.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

const fs::path root = SIGNALBOX_SOURCE_DIR;
const std::vector<std::string> folders_of_ours = {"runtime", "compiler", "stdlib",
                                                  "cli",     "examples", "include"};

// Room → rooms that its row names.
using Table = std::map<std::string, std::set<std::string>>;

std::vector<std::string> in_backquotes(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t open = text.find('`'); open != std::string::npos;) {
    const std::size_t close = text.find('`', open + 1);
    if (close == std::string::npos) break;
    out.push_back(text.substr(open + 1, close - open - 1));
    open = text.find('`', close + 1);
  }
  return out;
}

Table read_table() {
  std::ifstream in(root / "docs/architecture.md");
  Table out;
  std::string line;
  while (std::getline(in, line)) {
    if (!line.starts_with("| `")) continue;
    std::vector<std::string> cells;
    std::size_t from = 1;
    for (std::size_t bar = line.find('|', from); bar != std::string::npos; bar = line.find('|', from)) {
      cells.push_back(line.substr(from, bar - from));
      from = bar + 1;
    }
    if (cells.size() != 3) continue;
    const std::vector<std::string> may = in_backquotes(cells[2]);
    out[in_backquotes(cells[0]).at(0)] = {may.begin(), may.end()};
  }
  return out;
}

// What a room may include: itself, what its row names, and on what those depend.
std::set<std::string> reachable(const Table& table, const std::string& room) {
  std::set<std::string> out;
  std::vector<std::string> open{room};
  while (!open.empty()) {
    const std::string next = open.back();
    open.pop_back();
    if (!out.insert(next).second) continue;
    if (const auto row = table.find(next); row != table.end())
      open.insert(open.end(), row->second.begin(), row->second.end());
  }
  return out;
}

// The room that a path lies in: the longest row that it begins with. "" when there is none.
std::string room_of(const Table& table, const std::string& path) {
  std::string best;
  for (const auto& [room, may] : table)
    if (path.starts_with(room + "/") && room.size() > best.size()) best = room;
  return best;
}

struct Include {
  std::string file;    // from the root
  std::string header;  // as written
  bool quoted = false;
};

bool is_source(const fs::path& path) {
  return path.extension() == ".cpp" || path.extension() == ".hpp" || path.extension() == ".h";
}

std::vector<std::string> read_sources() {
  std::vector<std::string> out;
  for (const std::string& folder : folders_of_ours) {
    if (!fs::exists(root / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / folder))
      if (entry.is_regular_file() && is_source(entry.path()))
        out.push_back(entry.path().lexically_relative(root).generic_string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

// By hand: <regex> takes longer to compile than all the rest of this file.
std::optional<Include> include_of(const std::string& file, const std::string& line) {
  const auto after = [&](std::size_t at) { return line.find_first_not_of(" \t", at); };
  const std::size_t hash = after(0);
  if (hash == std::string::npos || line[hash] != '#') return std::nullopt;
  const std::size_t word = after(hash + 1);
  if (word == std::string::npos || line.compare(word, 7, "include") != 0) return std::nullopt;
  const std::size_t open = after(word + 7);
  if (open == std::string::npos || (line[open] != '"' && line[open] != '<')) return std::nullopt;
  const std::size_t close = line.find(line[open] == '"' ? '"' : '>', open + 1);
  if (close == std::string::npos) return std::nullopt;
  return Include{file, line.substr(open + 1, close - open - 1), line[open] == '"'};
}

std::vector<Include> read_includes() {
  std::vector<Include> out;
  for (const std::string& file : read_sources()) {
    std::ifstream in(root / file);
    for (std::string line; std::getline(in, line);)
      if (auto include = include_of(file, line)) out.push_back(std::move(*include));
  }
  return out;
}

// Foreign things, by how their headers begin, and the one place that sees each: a room, or a file of one.
struct Foreign {
  std::string name;
  std::vector<std::string> beginnings;
  std::string place;
};
const std::vector<Foreign> foreign_things = {
    {"ANTLR", {"antlr4", "SloLexer", "SloParser"}, "compiler/syntax"},
    {"LLVM", {"llvm/", "llvm-c/"}, "runtime/jit"},
    {"SQLite", {"sqlite3"}, "runtime/journal"},
    {"libcurl", {"curl/"}, "runtime/net"},
    {"OpenSSL", {"openssl/"}, "runtime/base"},
    {"RE2", {"re2/"}, "runtime/base"},
    {"CLI11", {"CLI/", "CLI11"}, "cli/main.cpp"},
};
const Foreign* foreign(const std::string& header) {
  for (const Foreign& thing : foreign_things)
    for (const std::string& beginning : thing.beginnings)
      if (header.starts_with(beginning)) return &thing;
  return nullptr;
}

TEST(IncludeGraph, TheTableIsReadWhole) {
  const Table table = read_table();
  EXPECT_GE(table.size(), 20u);
  EXPECT_TRUE(table.contains("runtime/base"));
  EXPECT_TRUE(table.at("runtime/base").empty());
  EXPECT_TRUE(table.contains("cli"));
  EXPECT_GE(read_includes().size(), 300u);
}

TEST(IncludeGraph, TheTableNamesRoomsThatExistAndNoneDependsOnItself) {
  const Table table = read_table();
  for (const auto& [room, may] : table) {
    EXPECT_TRUE(fs::is_directory(root / room)) << room << " has a row and no folder";
    for (const std::string& named : may) {
      EXPECT_TRUE(table.contains(named)) << "the row of " << room << " names " << named << ", which has none";
      EXPECT_FALSE(reachable(table, named).contains(room))
          << room << " and " << named << " depend on each other";
    }
  }
}

TEST(IncludeGraph, EveryFolderWithSourcesIsARoom) {
  const Table table = read_table();
  for (const std::string& file : read_sources()) {
    const std::string room = room_of(table, file);
    EXPECT_NE(room, "") << file << " lies in no room of docs/architecture.md";
    // What a room keeps in folders of its own is the examples alone.
    if (room != "examples") {
      EXPECT_EQ(fs::path(file).parent_path().generic_string(), room) << file;
    }
  }
}

TEST(IncludeGraph, RoomsIncludeWhatTheirRowsAllow) {
  const Table table = read_table();
  for (const Include& include : read_includes()) {
    if (!include.quoted || foreign(include.header) != nullptr) continue;
    const std::string from = room_of(table, include.file), to = room_of(table, include.header);
    EXPECT_NE(to, "") << include.file << " includes \"" << include.header
                      << "\": our headers are named from the root, by their room";
    EXPECT_TRUE(reachable(table, from).contains(to))
        << include.file << " includes " << include.header << ": " << from << " may not include " << to;
  }
}

TEST(IncludeGraph, ForeignThingsStayWhereTheyAre) {
  for (const Include& include : read_includes()) {
    const Foreign* thing = foreign(include.header);
    if (thing == nullptr) continue;
    EXPECT_TRUE(include.file == thing->place || include.file.starts_with(thing->place + "/"))
        << include.file << " includes " << include.header << ": " << thing->name << " is seen by "
        << thing->place << " alone";
  }
}

// A header that shows a foreign thing, itself or through another, is for its own room.
TEST(IncludeGraph, NoHeaderCarriesAForeignThingOutOfItsRoom) {
  const Table table = read_table();
  const std::vector<Include> includes = read_includes();
  std::map<std::string, std::string> shows;  // header → the foreign thing
  for (bool grew = true; grew;) {
    grew = false;
    for (const Include& include : includes) {
      if (fs::path(include.file).extension() == ".cpp" || shows.contains(include.file)) continue;
      const Foreign* thing = foreign(include.header);
      const auto through = shows.find(include.header);
      if (thing == nullptr && through == shows.end()) continue;
      shows[include.file] = thing != nullptr ? thing->name : through->second;
      grew = true;
    }
  }
  for (const Include& include : includes) {
    const auto shown = shows.find(include.header);
    if (!include.quoted || shown == shows.end()) continue;
    EXPECT_EQ(room_of(table, include.file), room_of(table, include.header))
        << include.file << " sees " << shown->second << " through " << include.header;
  }
}

TEST(IncludeGraph, NothingOfOursIncludesTests) {
  for (const Include& include : read_includes())
    EXPECT_FALSE(include.header.starts_with("tests/")) << include.file;
}

}  // namespace
