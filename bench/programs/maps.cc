/* maps.cc - hash maps and ordered maps of the C++ library: strings to lists, filled, searched,
 * thinned.
 *
 *   maps ROUNDS
 */
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

static std::string name_of(uint64_t number) {
    return "a name that is too long to stay inside " + std::to_string(number * 7919 % 100003);
}

static size_t one_round(uint64_t round) {
    std::unordered_map<std::string, std::vector<uint64_t>> table;
    std::map<uint64_t, std::string> order;
    for (uint64_t i = 0; i < 60000; i++) {
        std::string name = name_of(i * (round + 1));
        table[name].push_back(i);
        order[i * 2654435761u % 65536] = name;
    }
    for (uint64_t i = 0; i < 60000; i += 3) {
        table.erase(name_of(i));
    }
    size_t sum = order.size();
    for (const auto &entry : table) {
        sum += entry.second.size();
    }
    return sum;
}

int main(int count, char **arguments) {
    uint64_t rounds = count > 1 ? strtoul(arguments[1], nullptr, 0) : 8;
    size_t sum = 0;
    for (uint64_t round = 0; round < rounds; round++) {
        sum += one_round(round);
    }
    std::cout << sum << "\n";
}
