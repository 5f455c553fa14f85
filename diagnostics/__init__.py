"""How LUX is: health checks, each with value, unit, time, state and what to do."""
