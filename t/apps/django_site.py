# SPDX-License-Identifier: Apache-2.0
"""A site of Django in one file: pages, the admin, uploads, a job after the
answer, a stream.  SITE_DIR is where it keeps what it has; run as a program it
is manage.py."""
import os
import subprocess
import sys
import time

import django
from django.conf import settings

HERE = os.environ['SITE_DIR']
settings.configure(
    ROOT_URLCONF=__name__, ALLOWED_HOSTS=['*'], SECRET_KEY='of a test',
    DEBUG=False, USE_TZ=True, STATIC_URL='/static/',
    DEFAULT_AUTO_FIELD='django.db.models.AutoField',
    INSTALLED_APPS=['django.contrib.' + name for name in (
        'admin', 'auth', 'contenttypes', 'sessions', 'messages',
        'staticfiles')],
    MIDDLEWARE=['django.contrib.sessions.middleware.SessionMiddleware',
                'django.middleware.common.CommonMiddleware',
                'django.middleware.csrf.CsrfViewMiddleware',
                'django.contrib.auth.middleware.AuthenticationMiddleware',
                'django.contrib.messages.middleware.MessageMiddleware'],
    TEMPLATES=[{'BACKEND': 'django.template.backends.django.DjangoTemplates',
                'APP_DIRS': True, 'OPTIONS': {'context_processors': [
                    'django.template.context_processors.request',
                    'django.contrib.auth.context_processors.auth',
                    'django.contrib.messages.context_processors.messages']}}],
    DATABASES={'default': {'ENGINE': 'django.db.backends.sqlite3',
                           'NAME': HERE + '/db.sqlite3',
                           'OPTIONS': {'timeout': 60}}},
    FILE_UPLOAD_TEMP_DIR=HERE, FILE_UPLOAD_MAX_MEMORY_SIZE=65536)
django.setup()

from django.contrib import admin                                # noqa: E402
from django.contrib.auth.decorators import login_required       # noqa: E402
from django.core.wsgi import get_wsgi_application               # noqa: E402
from django.http import (FileResponse, HttpResponse,            # noqa: E402
                         HttpResponseRedirect, StreamingHttpResponse)
from django.middleware.csrf import get_token                    # noqa: E402
from django.urls import path, reverse                           # noqa: E402
from django.views.decorators.csrf import csrf_exempt            # noqa: E402


def front(request):
    return HttpResponse('<title>A site</title><a href="%s">an article</a>'
                        % reverse('article', args=(2026, 'first-words')))


def article(request, year, slug):
    return HttpResponse('<h1>%s of %d</h1><p>page %s</p>'
                        % (slug, year, request.GET.get('page', '1')))


@login_required(login_url='/admin/login/')
def upload(request):
    """A form for a file; what has been sent is at files/NAME."""
    if request.method != 'POST':
        return HttpResponse(
            '<form method="post" enctype="multipart/form-data">'
            '<input type="hidden" name="csrfmiddlewaretoken" value="%s">'
            '<input type="file" name="file"></form>' % get_token(request))
    file = request.FILES['file']
    with open(os.path.join(HERE, 'up-' + os.path.basename(file.name)),
              'wb') as out:
        for chunk in file.chunks():
            out.write(chunk)
    return HttpResponseRedirect(reverse('file', args=(file.name,)))


def file(request, name):
    return FileResponse(open(os.path.join(HERE, 'up-' + name), 'rb'))


@csrf_exempt
def job(request, name):
    """Takes a second, whether the client waits for it or not."""
    time.sleep(1)
    with open(os.path.join(HERE, 'job-' + name), 'a') as out:
        out.write('%s %d\n' % (request.method, len(request.body)))
    return HttpResponse('done\n')


@csrf_exempt
def background(request, name):
    """Starts a program that outlives the request."""
    subprocess.Popen(['sh', '-c', 'sleep 1; echo done >"$1"', 'sh',
                      os.path.join(HERE, 'background-' + name)],
                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return HttpResponse('started\n')


def stream(request):
    def parts():
        for i in range(5):
            yield 'part %d\n' % i
            time.sleep(0.05)
    return StreamingHttpResponse(parts(), content_type='text/plain')


urlpatterns = [
    path('', front), path('admin/', admin.site.urls),
    path('<int:year>/<slug:slug>/', article, name='article'),
    path('upload/', upload), path('files/<str:name>', file, name='file'),
    path('job/<str:name>', job), path('background/<str:name>', background),
    path('stream', stream),
]

if __name__ == '__main__':
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
else:
    application = get_wsgi_application()
