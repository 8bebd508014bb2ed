/* vectors.cc - many vectors that grow element by element, are copied, and go in another order.
 *
 *   vectors ROUNDS
 */
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <vector>

static uint64_t one_round(uint64_t round) {
    std::vector<std::vector<uint64_t>> rows(2000);
    for (uint64_t i = 0; i < 400000; i++) {
        rows[(i * 2654435761u + round) % 2000 * (i % 3 + 1) % 2000].push_back(i);
    }
    std::vector<std::vector<uint64_t>> copy(rows.begin() + 500, rows.end());
    uint64_t sum = 0;
    while (!copy.empty()) {
        size_t at = sum % copy.size();
        sum += copy[at].size() + 1;
        copy[at].swap(copy.back());
        copy.pop_back();
    }
    return sum;
}

int main(int count, char **arguments) {
    uint64_t rounds = count > 1 ? strtoul(arguments[1], nullptr, 0) : 30;
    uint64_t sum = 0;
    for (uint64_t round = 0; round < rounds; round++) {
        sum += one_round(round);
    }
    std::cout << sum << "\n";
}
