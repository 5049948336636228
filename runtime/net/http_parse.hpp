// The head of an HTTP/1.x request, read strictly: what two readers could understand differently is an error.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace signalbox::net {

struct RequestHead {
  int error = 0;  // 0, or the status to answer with
  std::string method, path, query;
  std::size_t body_bytes = 0;
  bool wants_continue = false;
};

// Finds the empty line that ends the head; `from` carries the position between calls on a growing text.
enum class HeadEnd { not_yet, found, broken };
HeadEnd find_head_end(std::string_view text, std::size_t& from);  // found: `from` is past the empty line

// `head` ends with the empty line.
RequestHead parse_request_head(std::string_view head, std::size_t max_body);

std::string_view reason_phrase(int status);

}  // namespace signalbox::net
