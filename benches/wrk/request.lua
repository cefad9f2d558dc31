-- wrk: one operation of Regulars for a random customer under a fresh key, with the API key of the shop.
-- BODY holds %s for the customer's id and then for the key, as often as it needs it; IDS names a file with an id on each
-- line, all of one length.
math.randomseed(tonumber(os.getenv("SEED")))
local body, run, file = os.getenv("BODY"), os.getenv("RUN"), os.getenv("IDS")
local headers = { ["content-type"] = "application/json" }
if os.getenv("API_KEY") then headers["authorization"] = "Bearer " .. os.getenv("API_KEY") end
-- One text and not a table: a million texts would keep the collector of the client busy.
local ids, width, count = "", 0, 1
if file then
  local opened = assert(io.open(file, "r"))
  ids = opened:read("*a")
  opened:close()
  width = assert(ids:find("\n", 1, true))
  count = #ids / width
end
local number = 0
request = function()
  number = number + 1
  local at = math.random(0, count - 1) * width
  local id, key = ids:sub(at + 1, at + width - 1), run .. "-" .. number
  return wrk.format("POST", "/graphql", headers, string.format(body, id, key, key))
end
