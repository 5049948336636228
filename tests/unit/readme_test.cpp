// What README.md shows is there: its lines of .slo in the tour, its links in the repository.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace {

const std::filesystem::path root = SIGNALBOX_SOURCE_DIR;

std::vector<std::string> lines_of(const std::string& name) {
  std::ifstream in(root / name);
  std::vector<std::string> out;
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

// Without comments, and with one blank between words.
std::string plain(const std::string& line) {
  std::istringstream words(line.substr(0, line.find('#')));
  std::string out;
  for (std::string word; words >> word;) out += (out.empty() ? "" : " ") + word;
  return out;
}

TEST(Readme, ItsProgramIsTheToursInItsOrder) {
  const std::vector<std::string> tour = lines_of("examples/tour/tour.slo");
  std::size_t at = 0, shown = 0;
  bool inside = false;
  for (const std::string& line : lines_of("README.md")) {
    if (line.starts_with("```")) {
      inside = line == "```slo";
      continue;
    }
    const std::string wanted = plain(line);
    if (!inside || wanted.empty()) continue;
    ++shown;
    std::size_t found = at;
    while (found < tour.size() && plain(tour[found]) != wanted) ++found;
    ASSERT_LT(found, tour.size()) << "not in examples/tour/tour.slo, or not in this order: " << line;
    at = found + 1;
  }
  EXPECT_GE(shown, 10u);
}

TEST(Readme, ItsLinksLeadSomewhere) {
  std::size_t links = 0;
  for (const std::string& line : lines_of("README.md"))
    for (std::size_t at = line.find("]("); at != std::string::npos; at = line.find("](", at + 2)) {
      const std::string to = line.substr(at + 2, line.find_first_of("#)", at + 2) - at - 2);
      if (to.find("://") != std::string::npos) continue;
      ++links;
      EXPECT_TRUE(std::filesystem::exists(root / to)) << to;
    }
  EXPECT_GE(links, 5u);
}

}  // namespace
