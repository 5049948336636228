#include "tests/support/sockets.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

namespace signalbox::test {
namespace {

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

int listen_somewhere(int& port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (fd < 0 || ::bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(fd, 16) != 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    std::abort();
  port = ntohs(address.sin_port);
  return fd;
}

}  // namespace

Client::Client(int port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const sockaddr_in address = loopback(port);
  if (fd_ < 0 || ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    std::abort();
}
Client::Client(Client&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), received_(std::move(other.received_)) {}
Client::~Client() {
  if (fd_ >= 0) ::close(fd_);
}

bool Client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

bool Client::receive() {
  char buffer[4096];
  for (;;) {
    const ssize_t n = ::recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n > 0) {
      received_.append(buffer, static_cast<std::size_t>(n));
      continue;
    }
    return n < 0 && (errno == EAGAIN || errno == EINTR);
  }
}

int Client::status() const {
  if (!received_.starts_with("HTTP/1.1 ") || received_.size() < 12) return 0;
  return std::atoi(received_.c_str() + 9);
}

SilentServer::SilentServer() : fd_(listen_somewhere(port_)) {}
SilentServer::~SilentServer() {
  ::close(fd_);
}

ScriptedServer::ScriptedServer(std::string answer) : fd_(listen_somewhere(port_)) {
  thread_ = std::thread([this, answer = std::move(answer)] {
    const int peer = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
    if (peer < 0) return;
    char byte;
    while (request_.find("\r\n\r\n") == std::string::npos && ::recv(peer, &byte, 1, 0) == 1)
      request_.push_back(byte);
    std::string_view left = answer;
    while (!left.empty()) {
      const ssize_t n = ::send(peer, left.data(), left.size(), MSG_NOSIGNAL);
      if (n <= 0) break;
      left.remove_prefix(static_cast<std::size_t>(n));
    }
    ::close(peer);
  });
}

std::string ScriptedServer::request() {
  if (thread_.joinable()) {
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
  }
  return request_;
}

ScriptedServer::~ScriptedServer() {
  request();
  ::close(fd_);
}

int closed_port() {
  int port = 0;
  ::close(listen_somewhere(port));
  return port;
}

}  // namespace signalbox::test
