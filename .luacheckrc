std = "max"
max_line_length = 110
unused_args = false
files["spec"].std = "+busted"
files["csrc/**/*.lua"].globals = {}
files["lua/resty"].std = "ngx_lua"
