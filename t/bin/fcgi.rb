#!/usr/bin/ruby --disable-gems
# SPDX-License-Identifier: Apache-2.0
#
# A FastCGI worker in Ruby (ruby-fcgi), whose handler of SIGTERM exits at once.
# Answers "pid=N tag=ruby"; "sleep=MS" in the query before that.
require 'fcgi'

trap('TERM') { exit }
FCGI.each do |request|
  found = /sleep=(\d+)/.match(request.env['QUERY_STRING'].to_s)
  sleep(found[1].to_i / 1000.0) if found
  request.out.print "Content-Type: text/plain\r\n\r\npid=#{Process.pid} tag=ruby"
  request.finish
end
