// A process of the bench that does what it is told, one order after the other, and ends with its owner. What
// belongs to a cgroup or a network namespace has to be done by a process of its own.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <array>
#include <functional>
#include <string>
#include <type_traits>

#include "datapath/fd.hpp"
#include "model/result.hpp"

namespace naru::bench {

/// A child and the channel to it (SOCK_SEQPACKET: one message is one order or one answer).
class Child {
public:
    /// Forks; the child runs `serve` with its end of the channel, and ends when that returns.
    static Result<Child> start(const std::function<void(int channel)>& serve);

    Child(Child&& other) noexcept;
    Child& operator=(Child&&) = delete;
    ~Child(); ///< ends the process

    pid_t pid() const { return pid_; }
    int channel() const { return channel_.get(); }

private:
    Child(pid_t pid, UniqueFd channel) : pid_{pid}, channel_{std::move(channel)} {}

    pid_t pid_;
    UniqueFd channel_;
};

/// A result on its way from one process to another.
template <class Value>
struct Answer {
    static constexpr std::size_t longest_complaint = 200;

    Value value{};
    int error = 0;
    std::array<char, longest_complaint> what{};

    static Answer of(const Result<Value>& result)
    {
        Answer out;
        if (result) {
            out.value = *result;
        } else {
            out.error = result.error().code.value();
            result.error().what.copy(out.what.data(), out.what.size() - 1);
        }
        return out;
    }

    Result<Value> result() const
    {
        if (!what.front())
            return value;
        return error ? sys_error(what.data(), error) : naru::error(what.data());
    }
};

template <class Order, class Value>
class Worker {
    static_assert(std::is_trivially_copyable_v<Order> && std::is_trivially_copyable_v<Value>);

public:
    static Result<Worker> start(const std::function<Result<Value>(const Order&)>& perform)
    {
        auto child = Child::start([&](int channel) {
            for (Order order; ::recv(channel, &order, sizeof(order), 0) == sizeof(order);) {
                const auto answer = Answer<Value>::of(perform(order));
                if (::send(channel, &answer, sizeof(answer), 0) != sizeof(answer))
                    break;
            }
        });
        if (!child)
            return std::unexpected{child.error()};
        return Worker{std::move(*child)};
    }

    Result<Value> perform(const Order& order)
    {
        Answer<Value> answer;
        if (::send(child_.channel(), &order, sizeof(order), MSG_NOSIGNAL) != sizeof(order) ||
            ::recv(child_.channel(), &answer, sizeof(answer), 0) != sizeof(answer))
            return error("a process of the bench has ended");
        return answer.result();
    }

    pid_t pid() const { return child_.pid(); }

private:
    explicit Worker(Child child) : child_{std::move(child)} {}

    Child child_;
};

} // namespace naru::bench
