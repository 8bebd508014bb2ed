/* containers.cc - large headers and templates: work for a compiler. */
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <regex>
#include <string>
#include <unordered_map>
int main() {
    std::map<std::string, std::unordered_map<int, std::function<int(int)>>> table;
    std::cout << std::regex_match("arenite", std::regex("a.*e")) << table.size() << "\n";
}
