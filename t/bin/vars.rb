#!/usr/bin/ruby
# SPDX-License-Identifier: Apache-2.0
#
# As vars.pl, in Ruby.
require 'fcgi'
require 'json'

def answer(env)
  query = env['QUERY_STRING'].to_s
  return "Location: #{query[3..]}\r\n\r\n" if query.start_with?('to=')

  "Content-Type: application/json\r\n\r\n#{env.to_h.to_json}"
end

if $stdin.stat.socket?
  FCGI.each do |request|
    request.out.print answer(request.env)
    request.finish
  end
else
  print answer(ENV)
end
