-- Tables, strings and closures, most of them gone soon.
local kept = {}
for i = 1, 600000 do
    local object = {id = i, name = "name" .. i % 1000, tags = {i, i + 1}}
    object.area = function(width) return width * object.id end
    kept[i % 5000 + 1] = object
end
local parts = {}
for i, object in ipairs(kept) do
    parts[i] = object.name .. ":" .. object.area(2)
end
print(#table.concat(parts, ","))
