-- The opponent of the kernel benchmark in LuaJIT: a burn row over FFI arrays of doubles. NaN is a row
-- without a value: a total that is missing makes the condition unknown unless the other window says no, a
-- count of bad events that is missing is zero. The result is a byte: 1, 0 or, where it is unknown, 2.
local ffi = require("ffi")
local max, min = math.max, math.min

local column = ffi.typeof("const double *")
local result = ffi.typeof("uint8_t *")

-- max(x, 0) is 0 where x is NaN, without a branch; 0 × NaN is NaN.
local ways = {}

-- Stops at the first window that says no: fast where few rows burn.
function ways.early(bad_long, total_long, bad_short, total_short, theta, out, count)
  return function()
    for i = 0, count - 1 do
      local truth = 0
      local long = max(bad_long[i], 0) / total_long[i]
      if not (long <= theta) then
        local short = max(bad_short[i], 0) / total_short[i]
        if not (short <= theta) then
          local both = long + short
          if both == both then truth = 1 else truth = 2 end
        end
      end
      out[i] = truth
    end
  end
end

-- Computes both and branches once: fast where no branch can be foretold.
function ways.whole(bad_long, total_long, bad_short, total_short, theta, out, count)
  return function()
    for i = 0, count - 1 do
      local long = max(bad_long[i], 0) / total_long[i] - theta
      local short = max(bad_short[i], 0) / total_short[i] - theta
      local least = min(long, short)
      if least <= 0 or least ~= least and (long <= 0 or short <= 0) then
        out[i] = 0
      else
        local both = long + short
        if both == both then out[i] = 1 else out[i] = 2 end
      end
    end
  end
end

-- What the columns are is known before the first tick: what is returned does one tick of one row, with its
-- columns as constants.
return function(way, bad_long, total_long, bad_short, total_short, theta, out, count)
  return ways[way](ffi.cast(column, bad_long), ffi.cast(column, total_long), ffi.cast(column, bad_short),
                   ffi.cast(column, total_short), theta, ffi.cast(result, out), count)
end
