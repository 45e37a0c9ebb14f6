# SPDX-License-Identifier: Apache-2.0
"""A stock peer: a site of Django in one file, for uWSGI.  Answers
"pid=N tag=django"; "sleep=MS" in the query before that."""
import os
import time

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import re_path

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=['*'],
                   SECRET_KEY='of a test', DEBUG=False)


def answer(request):
    time.sleep(int(request.GET.get('sleep', 0)) / 1000)
    return HttpResponse('pid=%d tag=django\n' % os.getpid(),
                        content_type='text/plain')


urlpatterns = [re_path('', answer)]
application = get_wsgi_application()
