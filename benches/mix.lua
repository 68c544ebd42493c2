-- Requests for wrk as a distribution's clients make them: nine tenths metalinks of repositories, some mirrorlists, a few paths
-- and a few repositories that don't exist, from addresses all over the world.
-- REPOS and DIRS name the files of that kind that the example fedora-sized writes.
math.randomseed(tonumber(os.getenv("SEED") or "7"))

local function lines(path)
  local all = {}
  for line in io.lines(path) do
    all[#all + 1] = line
  end
  return all
end

local repos = lines(os.getenv("REPOS"))
local dirs = lines(os.getenv("DIRS"))

local function address()
  if math.random(7) == 1 then
    return string.format("2a00:%x:%x::%x", math.random(0, 4095), math.random(0, 65535), math.random(1, 65535))
  end
  return string.format("%d.%d.%d.%d", math.random(1, 223), math.random(0, 255), math.random(0, 255), math.random(1, 254))
end

local function target()
  local kind = math.random(100)
  if kind <= 90 then
    return "/metalink?" .. repos[math.random(#repos)]
  elseif kind <= 97 then
    return "/mirrorlist?" .. repos[math.random(#repos)]
  elseif kind <= 99 then
    return "/mirrorlist?path=" .. dirs[math.random(#dirs)]
  end
  return "/mirrorlist?repo=unknown&arch=x86_64"
end

function request()
  return wrk.format("GET", target(), { ["X-Forwarded-For"] = address() })
end
