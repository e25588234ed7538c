-- Returns for each run its place in the queue, or nothing if it does not wait. Follows queue.lua.
-- ARGV: the keys and the ids of the runs in turn
local places = {}
for index = 1, #ARGV, 2 do
  local experiment = experiment_in(redis.call('HGET', ARGV[index], 'experiment'))
  places[#places + 1] = place_of(ARGV[index + 1], experiment)
end
return places
